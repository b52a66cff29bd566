"""Rules detect_objects and detect_shard: the detections of one cell on all images or on a shard, and how it went."""

from pathlib import Path
from typing import Any

from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.protocols import protocol
from ssdbench.coco.image_list import read_image_list
from ssdbench.conversion.artifact import check_processor, open_artifact
from ssdbench.files.writing import write_text
from ssdbench.inference.accuracy_pass import Pass, run_pass
from ssdbench.inference.detect import check_not_calibrated_with, fed_size, head_decoding, table_of_card
from ssdbench.inference.shards import shard_slice
from ssdbench.inference.trace import Recorder, write_trace
from ssdbench.jobs import steps
from ssdbench.machine.host import available_cores, host_facts, int8_saturates, limit_pools, package_versions

snakemake: Any  # given by the rule

CARD = Path(snakemake.input.artifact, "card.json")


def work() -> steps.Record:
    limit_pools(1)  # beside the frameworks' own pools, which are set when a session is opened
    how = protocol(snakemake.wildcards.protocol)
    card, artifact = open_artifact(CARD)
    host = host_facts()
    check_processor(card, int8_saturates(host["cpu_flags"]))
    images = read_image_list(Path(snakemake.input.images))
    check_not_calibrated_with(card, images)
    table = table_of_card(card, images.categories)
    places = slice(None)
    if shard := snakemake.wildcards.get("shard"):
        places = shard_slice(int(shard), snakemake.params.images)
    records = images.images[places]
    cores = max(1, min(snakemake.threads, int(available_cores())))
    outcome = run_pass(
        Pass(
            snakemake.wildcards.framework,
            artifact,
            Normalisation(**card["normalisation"]),
            snakemake.wildcards.precision,
            images.folder,
            records,
            fed_size(card, how),
            how.channel_order,
            head_decoding(card, snakemake.params.nms, images.categories),
            len(images.images),
            places.start or 0,
            images.large_ids,
        ),
        cores,
        Path(snakemake.output.detections),
    )
    write_trace(Path(snakemake.output.seen), outcome.seen)
    return {
        "images": len(records),
        "detections": outcome.detections,
        "uncategorised": outcome.uncategorised,
        "classes": {"how": table.how, "notes": list(table.notes)},
        "seconds": round(outcome.seconds, 3),
        "load_seconds": round(outcome.load_seconds, 3),
        "images_per_second": round(len(records) / outcome.seconds, 2),
        "peak_rss_mb": outcome.peak_rss_mb,
        "cores": cores,
        "streams": outcome.streams,
        "runtime": outcome.runtime,
        "code_sha256": snakemake.params.code,
        "versions": package_versions(frameworks()[snakemake.wildcards.framework].packages),
        "host": host,
    }


steps.record(
    snakemake.log[0],
    snakemake.output.detect,
    work,
    needs={"conversion": CARD},
    limits=steps.job_limits(snakemake.resources),
    what="The detection",
)
# Snakemake wants every output, also of a cell that failed; its status says that these mean nothing.
if not Path(snakemake.output.detections).exists():
    write_text(Path(snakemake.output.detections), "[]\n")
if not Path(snakemake.output.seen).exists():
    write_trace(Path(snakemake.output.seen), Recorder(0).result())
