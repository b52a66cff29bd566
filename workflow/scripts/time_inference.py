"""Rule time_inference: one round of one cell's timing, in a process of its own with the machine to itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ssdbench.boxes.decoding import detections_of
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.timing_setting import Setting
from ssdbench.coco.image_list import ImageRecord, read_image_list
from ssdbench.conversion.artifact import check_processor, open_artifact
from ssdbench.errors import Unsupported
from ssdbench.images.pixels import read_image, resize_image
from ssdbench.inference.detect import head_decoding
from ssdbench.jobs import steps
from ssdbench.machine.host import available_cores, host_facts, int8_saturates, limit_pools, package_versions
from ssdbench.timing.measure_round import load_sessions, measure

snakemake: Any  # given by the rule

CARD = Path(snakemake.input.artifact, "card.json")

# So many images are kept in memory and rotated: enough that caches are not flattered.
IMAGES = 64
SETTING = Setting.of(snakemake.wildcards.setting) or Setting()


def work() -> steps.Record:
    limit_pools(SETTING.threads)
    card, artifact = open_artifact(CARD)
    host = host_facts()
    check_processor(card, int8_saturates(host["cpu_flags"]))
    how = protocol(snakemake.wildcards.protocol)
    images = read_image_list(Path(snakemake.input.images))
    decoding = head_decoding(card, snakemake.params.nms, images.categories)
    size = how.input_size or card["input_size"]
    preloaded = [
        (record, read_image(images.folder / record.file_name, record.sha256)) for record in images.images[:IMAGES]
    ]
    sessions, loading = load_sessions(
        snakemake.wildcards.framework,
        artifact,
        SETTING.threads,
        Normalisation(**card["normalisation"]),
        snakemake.wildcards.precision,
        SETTING.streams,
    )

    def postprocess(output: Heads | Finished, records: Sequence[ImageRecord]) -> object:
        return detections_of(output, [(record.width, record.height) for record in records], decoding)

    measured = measure(
        sessions,
        preloaded,
        lambda image: resize_image(image, size, how.channel_order),
        postprocess,
        host,
        seconds=snakemake.params.seconds,
        patience=snakemake.params.patience,
        batch=SETTING.batch,
    )
    return {
        **loading,
        **measured,
        "images": len(preloaded),
        "host": host,
        "versions": package_versions(frameworks()[snakemake.wildcards.framework].packages),
        "code_sha256": snakemake.params.code,
    }


LIMITS = steps.job_limits(snakemake.resources)


def timed() -> steps.Record:
    """The round, unless the machine is too small for its setting."""
    available = available_cores()
    if available < SETTING.cores:
        raise Unsupported(
            f"The setting {SETTING.name} keeps {SETTING.cores} threads at work, but this machine lets a job use "
            f"{available:g} cores. Set timing.threads or timing.streams lower."
        )
    return steps.in_child(work, LIMITS, "The timing")


def round_facts() -> steps.Record:
    return {
        "setting": snakemake.wildcards.setting,
        "round": int(snakemake.wildcards.round),
        **steps.outcome(
            snakemake.log[0],
            timed,
            needs={"conversion": CARD},
            attempts_left=LIMITS.attempts_left,
        ),
    }


steps.record(snakemake.log[0], snakemake.output.round, round_facts)
