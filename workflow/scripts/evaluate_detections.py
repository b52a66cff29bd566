"""Rule evaluate_detections: the twelve COCO metrics of one cell, and the metrics of each class."""

from pathlib import Path
from typing import Any

from ssdbench.coco.image_list import read_image_list
from ssdbench.evaluation.evaluate import evaluate
from ssdbench.files.reading import read_record
from ssdbench.jobs import steps
from ssdbench.machine.host import limit_pools

snakemake: Any  # given by the rule


def work() -> steps.Record:
    limit_pools(1)
    images = read_image_list(Path(snakemake.input.images)).images
    detect = read_record(Path(snakemake.input.detect))
    return evaluate(
        Path(snakemake.input.annotations),
        Path(snakemake.input.detections),
        [image.id for image in images],
        detect["uncategorised"],
        detect["classes"]["notes"],
    )


steps.record(
    snakemake.log[0],
    snakemake.output.metrics,
    work,
    needs={"detection": snakemake.input.detect},
    limits=steps.job_limits(snakemake.resources),
    what="The evaluation",
)
