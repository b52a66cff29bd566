"""Rule diagnose_cell: what explains a cell that departs from its reference, or from the AP expected of it; of an int8
cell, what is special about its file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.protocols import protocol
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.coco.image_list import ImageList, ImageRecord, read_image_list
from ssdbench.conversion.artifact import check_processor, open_artifact
from ssdbench.diagnosis import explain
from ssdbench.diagnosis.explain import ExpectedAP, Explanation
from ssdbench.diagnosis.int8_loss import int8_loss
from ssdbench.diagnosis.usual_causes import FoundByImage, usual_causes
from ssdbench.evaluation.image_matching import found_by_image
from ssdbench.files.reading import read_record
from ssdbench.inference.detect import fed_size, head_decoding
from ssdbench.jobs import steps
from ssdbench.machine.host import host_facts, int8_saturates, limit_pools
from ssdbench.runtimes import open_session

snakemake: Any  # given by the rule


def work() -> steps.Record:
    parity, metrics, parts = (record(name) for name in ("parity", "metrics", "parts"))
    images = read_image_list(Path(snakemake.input.images))
    explanation = Explanation()
    if explain.departs(parity):
        explanation = departure(images, parity)
    expected = explain.against_expected(snakemake.params.expected, metrics, parts)
    if not explanation.asked and expected and expected.is_outside:
        if expected.ours > expected.AP:
            explanation = explain.explain_high(expected, parts)
        else:
            explanation = shortfall(images, expected)
    card = read_record(Path(snakemake.input.artifact, "card.json"))
    return asdict(explanation.with_int8(int8_loss(card), explain.departs(parity)))


def record(name: str) -> Any:
    """An input record, None where the cell has none."""
    path = snakemake.input.get(name)
    return read_record(Path(path)) if path else None


def departure(images: ImageList, parity: steps.Record) -> Explanation:
    """Run the reference with each usual cause."""
    worst = [one["image_id"] for one in parity["worst"]]
    records = explain.images_to_try(images.images, explain.DEPARTURE_IMAGES, worst)
    run = runner(parity["reference"], snakemake.input.reference_artifact, images, records)
    return explain.explain_departure(run, sizes(records), observed(records))


def shortfall(images: ImageList, expected: ExpectedAP) -> Explanation:
    """Run the cell with each usual cause."""
    truth = read_annotations(Path(snakemake.input.annotations))
    with_objects = {row.image_id for row in truth.annotations if not row.iscrowd}
    telling = [image for image in images.images if image.id in with_objects]
    records = explain.images_to_try(telling, explain.EXPECTED_IMAGES)
    run = runner(dict(snakemake.wildcards), snakemake.input.artifact, images, records)
    how = protocol(snakemake.wildcards.protocol)
    return explain.explain_low(run, sizes(records), truth, expected, observed(images.images), how)


def runner(
    cell: Mapping[str, str], artifact_folder: str, images: ImageList, records: Sequence[ImageRecord]
) -> explain.Run:
    """What runs a cell (its framework and precision) on a few images with any of the usual changes."""
    limit_pools(snakemake.threads)
    how = protocol(snakemake.wildcards.protocol)
    card, artifact = open_artifact(Path(artifact_folder, "card.json"))
    check_processor(card, int8_saturates(host_facts()["cpu_flags"]))
    return explain.run_changed(
        open_session(
            cell["framework"],
            artifact,
            snakemake.threads,
            Normalisation(**card["normalisation"]),
            cell["precision"],
        ),
        images.folder,
        records,
        fed_size(card, how),
        how.channel_order,
        head_decoding(card, snakemake.params.nms, images.categories),
        usual_causes(),
    )


def observed(records: Sequence[ImageRecord]) -> FoundByImage:
    """The cell's own detections of these images."""
    return found_by_image(read_detections(Path(snakemake.input.detections)), [record.id for record in records])


def sizes(records: Sequence[ImageRecord]) -> explain.Sizes:
    return {record.id: (record.width, record.height) for record in records}


steps.record(
    snakemake.log[0],
    snakemake.output.diagnosis,
    work,
    needs={"detection": snakemake.input.detect},
    limits=steps.job_limits(snakemake.resources),
    what="The diagnosis",
)
