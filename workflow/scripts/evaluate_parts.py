"""Rule evaluate_parts: AP on the images that the checkpoint has not seen in training, and on those that it has."""

from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.coco import read_annotations, read_image_list
from ssdbench.detections import read_detections
from ssdbench.files import sha256_file
from ssdbench.parts import evaluate_parts
from ssdbench.tags import read_ids

snakemake: Any  # given by the rule


def work() -> steps.Record:
    ids = Path(snakemake.input.ids)
    parts = evaluate_parts(
        read_annotations(Path(snakemake.input.annotations)),
        read_detections(Path(snakemake.input.detections)),
        read_image_list(Path(snakemake.input.images)).images,
        read_ids(ids.read_text(encoding="utf-8"), str(ids)),
        snakemake.params.replicates,
        snakemake.params.seed,
    )
    return {**parts, "list": {"name": snakemake.params.name, "sha256": sha256_file(ids)}}


steps.record(
    snakemake.log[0],
    snakemake.output.parts,
    work,
    needs={"detection": snakemake.input.detect},
    limits=steps.job_limits(snakemake.resources),
    what="The evaluation of the parts",
)
