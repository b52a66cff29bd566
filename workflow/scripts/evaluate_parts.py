"""Rule evaluate_parts: AP on the images that the checkpoint has not seen in training, and on those that it has."""

from pathlib import Path
from typing import Any

from ssdbench.catalog.dataset_tag import read_ids
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.coco.image_list import read_image_list
from ssdbench.evaluation.held_out import evaluate_parts
from ssdbench.files.hashing import sha256_file
from ssdbench.jobs import steps

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
