"""Rules convert_model and quantise_model: one artifact, checked before it is published, and its card."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ssdbench.arrays import Float32, UInt8
from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.boxes.nms import NmsSettings
from ssdbench.catalog.plain import from_plain
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.support import is_published_file
from ssdbench.coco.image_list import ImageRecord, read_image_list
from ssdbench.conversion.artifact import has_7_bits
from ssdbench.conversion.convert import convert
from ssdbench.conversion.mixed_files import Goal
from ssdbench.conversion.mixed_search import Kept
from ssdbench.evaluation.pseudo_labels import PseudoLabels
from ssdbench.fetch.model_source import open_source
from ssdbench.images.image_folder import folder_records
from ssdbench.images.pixels import load_images
from ssdbench.inspection.take import take_file
from ssdbench.jobs import steps
from ssdbench.machine.host import host_facts, int8_saturates

snakemake: Any  # given by the rule

# Images that fp32 and fp16 artifacts are checked on; an int8 artifact is checked on all it was calibrated with.
CHECK_IMAGES = 8
# int8_dynamic is held to shares of anchors, which take more images to tell: 0.92 on 8 and 0.98 on 40 seen of one file.
SHARE_IMAGES = 40


def work() -> steps.Record:
    row = from_plain(ModelRow, snakemake.params.row)
    words = snakemake.wildcards
    folder, records, calibration = images()
    source, model = open_source(Path(snakemake.input.source))

    def pixels() -> Iterator[UInt8]:
        return (array for _, array in load_images(folder, records, row.size, "rgb"))

    artifact = (row, model, words.kind, words.framework, words.precision, pixels)
    destination = Path(snakemake.output.artifact)
    if is_published_file(row, words.kind, words.framework):
        card = take_file(*artifact, destination)
    else:
        seven = has_7_bits(snakemake.params.get("weight_bits", "auto"), int8_saturates(host_facts()["cpu_flags"]))
        goal = mixed_goal(row, records) if words.precision == "int8_mixed" else None
        card = convert(*artifact, seven, destination, goal)
    return {**card, "calibration": calibration, "source_sha256": source["sha256"]}


def mixed_goal(row: ModelRow, records: Sequence[ImageRecord]) -> Goal:
    """What an int8_mixed file is to keep of fp32's AP, by pseudo labels on each half of the calibration images."""

    def judge_of(reference: Sequence[Any], anchors: Float32) -> Callable[[Sequence[Any]], Kept]:
        decoding = HeadDecoding(anchors, tuple(row.coder), NmsSettings())

        def halves(outputs: Sequence[Any]) -> list[dict[int, Found]]:
            found = {
                number: detections_of(output, [(record.width, record.height)], decoding)[0]
                for number, (output, record) in enumerate(zip(outputs, records, strict=True), start=1)
            }
            return [{number: one for number, one in found.items() if number % 2 == half} for half in (1, 0)]

        labels = [PseudoLabels(half) for half in halves(reference)]
        return lambda outputs: Kept(*(of.kept(half) for of, half in zip(labels, halves(outputs), strict=True)))

    return Goal(snakemake.params.share, judge_of)


def images() -> tuple[Path, list[ImageRecord], steps.Record | None]:
    """Folder and records of the images to calibrate or check with, and what the card says of a calibration."""
    if not snakemake.input.get("calibration"):
        folder = Path(snakemake.input.check)
        number = SHARE_IMAGES if snakemake.wildcards.precision == "int8_dynamic" else CHECK_IMAGES
        return folder, folder_records(folder)[:number], None
    chosen = read_image_list(Path(snakemake.input.calibration))
    names = [{"id": i.id, "file_name": i.file_name, "sha256": i.sha256} for i in chosen.images]
    return chosen.folder, list(chosen.images), {"id": chosen.tag, "images": names}


steps.record(
    snakemake.log[0],
    Path(snakemake.output.artifact, "card.json"),
    work,
    limits=steps.job_limits(snakemake.resources),
    what="The conversion",
)
