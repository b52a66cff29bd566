"""Rule compare_with_reference: where a cell departs from its reference, and on which images it lost most."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ssdbench.boxes.decoding import Found
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.coco.image_list import read_image_list
from ssdbench.diagnosis.image_losses import image_disagreements, image_losses
from ssdbench.diagnosis.parity import ladder_of
from ssdbench.evaluation.image_matching import found_by_image
from ssdbench.files.reading import read_record
from ssdbench.inference.trace import read_trace
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

WORST = 24


def work() -> steps.Record:
    ids = [image.id for image in read_image_list(Path(snakemake.input.images)).images]
    cell, reference = (
        found_by_image(read_detections(Path(path)), ids)
        for path in (snakemake.input.detections, snakemake.input.reference_detections)
    )
    ladder = ladder_of(
        snakemake.wildcards.precision,
        read_trace(Path(snakemake.input.seen)),
        read_trace(Path(snakemake.input.reference_seen)),
        cell,
        reference,
        (average_precision("metrics"), average_precision("reference_metrics")),
    )
    framework, precision = snakemake.params.reference
    return {"reference": {"framework": framework, "precision": precision}, **asdict(ladder), **worst(cell, reference)}


def average_precision(name: str) -> float | None:
    """AP in a record of metrics, where there is ground truth."""
    path = snakemake.input.get(name)
    return read_record(Path(path)).get("metrics", {}).get("AP") if path else None


def worst(cell: Mapping[int, Found], reference: Mapping[int, Found]) -> steps.Record:
    """The images that lost most; where no truth says what is lost, those on which the two disagree most."""
    if not snakemake.input.get("annotations"):
        return {
            "ordered_by": "disagreement",
            "worst": [asdict(one) for one in image_disagreements(reference, cell)[:WORST]],
        }
    losses = image_losses(read_annotations(Path(snakemake.input.annotations)), reference, cell)
    return {"ordered_by": "loss", "worst": [asdict(loss) for loss in losses[:WORST] if loss.lost > 0]}


steps.record(
    snakemake.log[0],
    snakemake.output.parity,
    work,
    needs={"detection": snakemake.input.detect, "detection of the reference": snakemake.input.reference_detect},
    limits=steps.job_limits(snakemake.resources),
    what="The comparison",
)
