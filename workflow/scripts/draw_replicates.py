"""Rule draw_replicates: AP of one cell on many draws of its images, from which differences get their intervals."""

from pathlib import Path
from typing import Any

from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.coco.image_list import read_image_list
from ssdbench.evaluation.bootstrap import draw, to_record
from ssdbench.evaluation.coco_matching import match
from ssdbench.jobs import steps

snakemake: Any  # given by the rule


def work() -> steps.Record:
    matches = match(
        read_annotations(Path(snakemake.input.annotations)),
        read_detections(Path(snakemake.input.detections)),
        [image.id for image in read_image_list(Path(snakemake.input.images)).images],
    )
    return to_record(draw(matches, snakemake.params.replicates, snakemake.params.seed))


steps.record(
    snakemake.log[0],
    snakemake.output.replicates,
    work,
    needs={"detection": snakemake.input.detect},
    indent=None,
    limits=steps.job_limits(snakemake.resources),
    what="The bootstrap",
)
