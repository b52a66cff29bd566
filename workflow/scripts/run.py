"""Run one SSD model file on COCO images by hand: twelve COCO metrics, latency and throughput.

Takes frozen graphs (.pb), SavedModel folders, .tflite files (with or without the post-processing op), .onnx files and
OpenVINO's .xml, either raw heads or finished graphs. What comes out of a file is looked at before it is believed; what
it does not tell is asked for.

  python workflow/scripts/run.py -m model.pb -f tf -p fp32 --images_path val2017 --anno_path instances_val2017.json
  python workflow/scripts/run.py --inspect model.onnx
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ssdbench.arrays import UInt8, spread
from ssdbench.boxes.anchors import read_anchors
from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.boxes.nms import NmsSettings
from ssdbench.catalog.class_words import class_ids_of
from ssdbench.catalog.frameworks import artifact_of
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.categories import Category, ClassTable
from ssdbench.coco.detections import write_detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.metric_names import METRICS
from ssdbench.conversion.model_contents import contents_of
from ssdbench.errors import UserError, exit_code
from ssdbench.evaluation.evaluate import evaluate
from ssdbench.files.reading import read_json
from ssdbench.images.image_folder import folder_records, orient
from ssdbench.images.pixels import PixelSize, load_images
from ssdbench.images.sample import compose
from ssdbench.inference.detect import detections, head_decoding, table_of_card
from ssdbench.inspection import flags
from ssdbench.inspection.finding import describe as describe_findings
from ssdbench.inspection.look import LOOK_IMAGES, Look, Stated, look_at
from ssdbench.inspection.openvino_check import check_against_litert
from ssdbench.inspection.registry_row import registry_row
from ssdbench.inspection.told import told
from ssdbench.jobs.progress import Progress
from ssdbench.jobs.quiet import native_output_to
from ssdbench.machine.host import limit_pools
from ssdbench.runtimes import open_session
from ssdbench.runtimes.base import Session
from ssdbench.timing.percentiles import percentiles

ANY_SIZE = (300, 300)  # for graphs that resize by themselves
NMS = NmsSettings()


@dataclass(frozen=True)
class Opened:
    """A file ready to run. size: height and width that are fed. table: which category each class is. lines: what it was
    told by, for the reader."""

    session: Session
    size: tuple[int, int]
    decoding: HeadDecoding
    table: ClassTable
    lines: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What a run gave: each image's detections from its first time, and milliseconds of every call."""

    found: list[tuple[ImageRecord, Found]]
    network_ms: list[float]
    images: int
    seconds: float


def parse_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The command line; paths and threads default to the environment's."""
    return flags.parse_arguments(arguments, environment, __doc__ or "")


def run(options: argparse.Namespace) -> str:
    """Run the model and say what came out.

    Raises:
        UserError: a path or the model is wrong, or the file does not tell what no flag states.
    """
    limit_pools(options.threads)
    if options.images_path is None or options.anno_path is None:
        raise UserError("No images: give --images_path and --anno_path, or set COCO_IMG_PATH and COCO_ANNO_PATH.")
    annotations = read_annotations(options.anno_path)
    records = records_of(annotations, options)
    opened = open_file(options, options.images_path, records, annotations.categories)
    outcome = loop(opened, records, options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "detections.json")
        write_detections(file, detections(outcome.found))
        ids = [record.id for record, _ in outcome.found]
        uncategorised = sum(found.uncategorised for _, found in outcome.found)
        evaluated = evaluate(options.anno_path, file, ids, uncategorised, opened.table.notes)
    return describe(options, opened, outcome, evaluated, len(records))


def records_of(annotations: Annotations, options: argparse.Namespace) -> list[ImageRecord]:
    """The annotated images, turned as --orientation or their sizes say, by their ids."""
    large = annotations.large_ids
    images = sorted(annotations.images, key=lambda image: large.get(image.id, image.id))
    records, _, note = orient(options.images_path, images, options.orientation)
    if note:
        print(note)
    return records


def open_file(
    options: argparse.Namespace, folder: Path, records: Sequence[ImageRecord], categories: Sequence[Category]
) -> Opened:
    """Open the file, and know what it takes and gives: from its card, or by a look at it.

    Raises:
        UserError: it does not run, or does not tell what no flag states.
    """
    card = card_beside(options.model_path)
    framework, stated = flags.framework_of(options), stated_of(options)
    if card and card["precision"] != artifact_of(framework, options.precision)[1]:
        raise UserError(f"{options.model_path} is {card['precision']} by its card.json; give -p {card['precision']}.")
    fed = stated.normalisation or (Normalisation(**card["normalisation"]) if card else None)
    with native_output_to(options.log):
        session = open_session(framework, options.model_path, options.threads, fed, options.precision)
        size = options.input_size or session.input_size or ANY_SIZE

        def pixels() -> list[UInt8]:
            return looked_at(folder, records, size, options)

        if card and not (stated.form.stated() or stated.normalisation or stated.box_coder):
            card, lines = changed(card, stated), card_lines(card)
        else:
            check_precision(options, framework)
            look = look_at(session, stated, pixels())
            look.require(options.model_path, lambda key: f"--{key}")
            card, lines = told(session, look, stated, size), look.lines()
        decoding, table = head_decoding(card, asdict(NMS), categories), table_of_card(card, categories)
        if framework == "openvino" and (compared := check_against_litert(session, decoding, pixels)):
            lines += describe_findings({"difference of scores from LiteRT's": compared})
    return Opened(session, size, decoding, table, lines)


def stated_of(options: argparse.Namespace) -> Stated:
    """What the flags state of the file."""
    return Stated(
        flags.stated_form(options),
        flags.stated_input(options),
        None if options.anchors is None else read_anchors(options.anchors),
        None if options.box_coder is None else tuple(options.box_coder),
        class_ids_of(options.class_ids or (), "--class_ids"),
        flags.stated_labels(options),
    )


def check_precision(options: argparse.Namespace, framework: str) -> None:
    """Make sure that the file is what -p says.

    Raises:
        UserError: its weights and operators say otherwise.
    """
    wanted = artifact_of(framework, options.precision)[1]
    found = precision_of(options.model_path, framework)
    if found not in (None, wanted) and (wanted, found) != ("int8_mixed", "int8"):  # mostly int8, and named so
        raise UserError(f"{options.model_path} is {found} by its weights and operators; give -p {found}.")


def precision_of(path: Path, framework: str) -> str | None:
    """The precision of a file by what it holds."""
    readers = {".tflite": "tflite", ".onnx": "onnxruntime", ".xml": "openvino"}
    return contents_of(readers[path.suffix], path).precision if path.suffix in readers else None


def looked_at(
    folder: Path, records: Sequence[ImageRecord], size: PixelSize, options: argparse.Namespace
) -> list[UInt8]:
    """Images to look at what the file gives for them, spread over the list: uint8 [H, W, 3]."""
    if not records:
        raise UserError(f"There are no images in {folder} to look at the model with.")
    chosen = [records[index] for index in spread(len(records), LOOK_IMAGES)]
    return [pixels for _, pixels in load_images(folder, chosen, size, options.channel_order)]


def card_beside(model: Path) -> dict[str, Any]:
    """The card of an artifact of this project, or nothing."""
    path = model.parent / "card.json"
    card = read_json(path) if path.is_file() else {}
    return card if isinstance(card, dict) and card.get("file") == model.name else {}


def changed(card: dict[str, Any], stated: Stated) -> dict[str, Any]:
    """A card with the anchors and the classes that flags state in place of its own."""
    anchors = None if stated.anchors is None else {"anchors": stated.anchors.tolist()}
    classes = None
    if stated.class_ids or stated.labels:
        classes = {"class_ids": list(stated.class_ids) or None, "labels": list(stated.labels) or None}
    return {**card, **(anchors or {}), **(classes or {})}


def card_lines(card: Mapping[str, Any]) -> list[str]:
    """What a card says of input and outputs."""
    found = card.get("found") or {}
    return [f"{key}: {how}" for key, how in found.items()] or ["input and outputs: those of its card.json"]


def inspect(options: argparse.Namespace) -> str:
    """What a file takes and gives, what it does not tell, and its registry row.

    Raises:
        UserError: it does not run.
    """
    limit_pools(options.threads)
    framework, stated = flags.framework_of(options), stated_of(options)
    with tempfile.TemporaryDirectory() as temporary, native_output_to(options.log):
        session = open_session(framework, options.model_path, options.threads, stated.normalisation)
        size = options.input_size or session.input_size or ANY_SIZE
        folder = options.images_path
        if folder is None:
            folder = Path(temporary, "calibration")
            compose(Path(temporary))
        pixels = looked_at(folder, folder_records(folder), size, options)
        look = look_at(session, stated, pixels)
    precision = options.precision or precision_of(options.model_path, framework) or "fp32"
    return describe_look(options, framework, precision, session, stated, look)


def describe_look(
    options: argparse.Namespace, framework: str, precision: str, session: Session, stated: Stated, look: Look
) -> str:
    """A look in words, with the registry row."""
    height, width = session.input_size or (0, 0)
    size = f"{height}x{width} (height x width)" if height else "any size"
    lines = [
        f"{options.model_path}: {framework}, {precision}, {session.graph_kind}, takes {size}",
        "",
        *look.lines(),
    ]
    if look.columns:
        lines.append(f"classes: {look.classes}, and {look.columns - look.classes} for the background")
    if look.missing:
        lines += ["", "It does not tell, so state it (flags here, keys of the same names in its row):"]
        lines += [f"  {missing.key}: {missing.why}" for missing in look.missing]
    files = {"anchors": options.anchors} if options.anchors else {}
    row = registry_row(options.model_path, precision, session, stated, look, files)
    return "\n".join([*lines, "", "Its row, for a file under `registries`:", "", row])


def loop(opened: Opened, records: list[ImageRecord], options: argparse.Namespace) -> Outcome:
    """Call the network over the images in rotation until the time or the number of runs is reached."""
    session = opened.session
    batches = batches_of(
        load_images(options.images_path, cycle(records), opened.size, options.channel_order), options.batch_size
    )
    found: list[tuple[ImageRecord, Found]] = []
    network_ms: list[float] = []
    with native_output_to(options.log) as terminal:
        progress = Progress("running", options.num_runs, "calls", terminal)
        first, pixels = next(batches)
        session.run(pixels)  # warm-up; its images come first in the measured calls
        start = time.perf_counter()
        while True:
            before = time.perf_counter_ns()
            output = session.run(pixels)
            network_ms.append((time.perf_counter_ns() - before) / 1e6)
            sizes = [(record.width, record.height) for record in first]
            found += list(zip(first, detections_of(output, sizes, opened.decoding), strict=True))[
                : max(0, len(records) - len(found))
            ]
            progress.advance()
            seconds = time.perf_counter() - start
            done = len(network_ms) >= options.num_runs if options.num_runs else seconds >= options.timeout
            if done:
                break
            first, pixels = next(batches)
        progress.close()
        batches.close()
    return Outcome(found, network_ms, len(network_ms) * options.batch_size, seconds)


def batches_of(
    images: Iterator[tuple[ImageRecord, UInt8]], size: int
) -> Generator[tuple[list[ImageRecord], UInt8], None, None]:
    """Group images: their records and their pixels uint8 [N, H, W, 3]."""
    while True:
        group = [next(images) for _ in range(size)]
        yield [record for record, _ in group], np.stack([pixels for _, pixels in group])


def describe(
    options: argparse.Namespace, opened: Opened, outcome: Outcome, evaluated: Mapping[str, Any], images: int
) -> str:
    """The result in words and tables."""
    metrics = evaluated["metrics"]
    values = [[name, "-" if metrics[name] is None else f"{metrics[name]:.4f}"] for name in METRICS]
    latency = percentiles(outcome.network_ms)
    done = len(outcome.found)
    counted = f"{done} images" if done == images else f"{done} of {images} images"
    lines = [
        f"{options.model_path} ({opened.session.graph_kind}, {options.precision}), {options.channel_order}, "
        f"{options.threads} threads, batch {options.batch_size}",
        *opened.lines,
        "",
        tabulate(values, tablefmt="plain", disable_numparse=True),
        "",
        f"Metrics over {counted}, each counted once.",
        opened.table.how,
        *evaluated["notes"],
        f"Network: {', '.join(f'{name} {value:.2f} ms' for name, value in latency.items())} "
        f"a call of {options.batch_size}, {len(outcome.network_ms)} calls.",
        f"Throughput from file to detections: {outcome.images / outcome.seconds:.1f} images/s.",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Print the result; exit code 1 and one sentence where something is wrong."""

    def work() -> None:
        options = parse_arguments(arguments, os.environ)
        if options.log is not None:
            runtimes = logging.getLogger("ssdbench.runtimes")  # a bar of progress stays on the terminal
            runtimes.setLevel(logging.INFO)
            runtimes.addHandler(logging.FileHandler(options.log))
        print(inspect(options) if options.inspect else run(options))

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
