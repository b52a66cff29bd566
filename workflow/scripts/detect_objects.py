"""Rules detect_objects and detect_shard: the detections of one cell on all images or on a shard, and how it went."""

import time
from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.artifacts import check_processor, open_artifact
from ssdbench.coco import read_image_list, write_detections
from ssdbench.files import sha256_files, write_text
from ssdbench.host import host_facts, int8_saturates, limit_pools
from ssdbench.inference import check_not_calibrated_with, detect, detections, head_decoding
from ssdbench.normalisation import Normalisation
from ssdbench.progress import track
from ssdbench.protocols import protocol
from ssdbench.runtimes import open_session
from ssdbench.seen import Recorder, write_seen
from ssdbench.shards import shard_slice

snakemake: Any  # given by the rule


def work() -> steps.Record:
    limit_pools(snakemake.threads)
    how = protocol(snakemake.wildcards.protocol)
    card, artifact = open_artifact(Path(snakemake.input.card))
    host = host_facts()
    check_processor(card, int8_saturates(host["cpu_flags"]))
    images = read_image_list(Path(snakemake.input.images))
    check_not_calibrated_with(card, images)
    session = open_session(
        snakemake.wildcards.framework,
        artifact,
        snakemake.threads,
        Normalisation(**card["normalisation"]),
        snakemake.wildcards.precision,
    )
    places = slice(None)
    if shard := snakemake.wildcards.get("shard"):
        places = shard_slice(int(shard), snakemake.params.images)
    records = images.images[places]
    recorder = Recorder(len(images.images), places.start or 0)
    start = time.perf_counter()
    found = detect(
        session,
        images.folder,
        records,
        how.input_size or card["input_size"],
        how.channel_order,
        head_decoding(card, snakemake.params.nms),
        recorder,
    )
    counted = track(found, "detecting", len(records))
    count = write_detections(Path(snakemake.output.detections), detections(counted))
    seconds = time.perf_counter() - start
    write_seen(Path(snakemake.output.seen), recorder.result())
    return {
        "images": len(records),
        "detections": count,
        "seconds": round(seconds, 3),
        "images_per_second": round(len(records) / seconds, 2),
        "runtime": session.facts(),
        "code_sha256": sha256_files([*snakemake.input.code, *snakemake.input.runtime]),
        "versions": snakemake.params.versions,
        "host": host,
    }


steps.record(
    snakemake.log[0],
    snakemake.output.detect,
    work,
    needs={"conversion": snakemake.input.card},
    limits=steps.job_limits(snakemake.resources),
    what="The detection",
)
# Snakemake wants every output, also of a cell that failed; its status says that these mean nothing.
if not Path(snakemake.output.detections).exists():
    write_text(Path(snakemake.output.detections), "[]\n")
if not Path(snakemake.output.seen).exists():
    write_seen(Path(snakemake.output.seen), Recorder(0).result())
