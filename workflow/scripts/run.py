"""Run one SSD model file on COCO images by hand: twelve COCO metrics, latency and throughput.

Takes frozen graphs (.pb), SavedModel folders, .tflite files (with or without the post-processing op) and .onnx
files, either raw heads or finished graphs.

  python workflow/scripts/run.py -m model.pb -f tf -p fp32 --images_path val2017 --anno_path instances_val2017.json
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ssdbench.arrays import UInt8
from ssdbench.boxes.anchors import read_anchors, standard_anchors
from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.boxes.nms import NmsSettings
from ssdbench.boxes.outputs import Heads
from ssdbench.catalog.frameworks import artifact_of, frameworks
from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.catalog.registry import FASTER_RCNN
from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.categories import ClassTable, class_table
from ssdbench.coco.detections import write_detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.metric_names import METRICS
from ssdbench.errors import UserError, exit_code
from ssdbench.evaluation.evaluate import evaluate
from ssdbench.files.reading import read_json
from ssdbench.images.image_folder import orient
from ssdbench.images.pixels import load_images
from ssdbench.inference import detect
from ssdbench.inference.detect import detections, table_of_card, with_classes
from ssdbench.jobs.progress import Progress
from ssdbench.machine.host import limit_pools
from ssdbench.runtimes import open_session
from ssdbench.runtimes.base import Session
from ssdbench.timing.percentiles import percentiles

ALIASES = {"tf": "tensorflow", "ort": "onnxruntime", "ov": "openvino"}
ANY_SIZE = 300  # for graphs that resize by themselves
NMS = NmsSettings()


@dataclass(frozen=True)
class Outcome:
    """What a run gave: each image's detections from its first time, and milliseconds of every call."""

    found: list[tuple[ImageRecord, Found]]
    network_ms: list[float]
    images: int
    seconds: float


def parse_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> argparse.Namespace:
    """The command line; paths and threads default to the environment's."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="Stops after --timeout seconds, or after --num_runs calls. Accuracy counts each image once; "
        "when all images are through, they come again for timing only.",
    )
    parser.add_argument("-m", "--model_path", type=Path, required=True, help="the model file, or a SavedModel folder")
    parser.add_argument(
        "-p",
        "--precision",
        choices=["fp32", "fp16", "int8", "int8_dynamic", "bf16"],
        required=True,
        help="precision of the model file",
    )
    parser.add_argument(
        "-f",
        "--framework",
        choices=[*ALIASES, *frameworks()],
        required=True,
        help="what runs it; with tf, a .tflite file is run by TFLite",
    )
    parser.add_argument("-b", "--batch_size", type=positive, default=1, help="images in one call (default: 1)")
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        help="seconds to run, where --num_runs is not given (default: 60)",
    )
    parser.add_argument("--num_runs", type=positive, help="calls to make, in place of --timeout")
    parser.add_argument(
        "--images_path",
        type=Path,
        default=environment.get("COCO_IMG_PATH") or None,
        help="folder of the images (default: COCO_IMG_PATH)",
    )
    parser.add_argument(
        "--anno_path",
        type=Path,
        default=environment.get("COCO_ANNO_PATH") or None,
        help="COCO instances JSON (default: COCO_ANNO_PATH)",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        default=environment.get("AIO_NUM_THREADS") or "1",
        help="intra-op threads (default: AIO_NUM_THREADS, else 1)",
    )
    parser.add_argument(
        "--channel_order",
        choices=["rgb", "bgr"],
        default="rgb",
        help="order of the colours fed (default: rgb)",
    )
    parser.add_argument(
        "--input_size",
        type=positive,
        help=f"side of the square that is fed (default: the model's own; {ANY_SIZE} where it takes any)",
    )
    parser.add_argument(
        "--orientation",
        choices=["stored", "displayed"],
        help="which pixels the annotations mean where EXIF turns an image (default: found by the annotated sizes)",
    )
    parser.add_argument(
        "--anchors",
        type=Path,
        help="for raw heads: a .json or .npy file of [A, 4] ymin, xmin, ymax, xmax, normalised "
        "(default: card.json beside the model, else the standard 1917 of SSD MobileNet at 300x300)",
    )
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def run(options: argparse.Namespace) -> str:
    """Run the model and say what came out.

    Raises:
        UserError: a path or the model is wrong.
    """
    limit_pools(options.threads)
    if options.images_path is None or options.anno_path is None:
        raise UserError("No images: give --images_path and --anno_path, or set COCO_IMG_PATH and COCO_ANNO_PATH.")
    annotations = read_annotations(options.anno_path)
    card = card_beside(options.model_path)
    framework = framework_of(options)
    if card and card["precision"] != artifact_of(framework, options.precision)[1]:
        raise UserError(f"{options.model_path} is {card['precision']} by its card.json; give -p {card['precision']}.")
    normalisation = Normalisation(**card["normalisation"]) if card else MOBILENET_SSD
    session = open_session(framework, options.model_path, options.threads, normalisation, options.precision)
    table = table_of(session, card, annotations, options)
    decoding = with_classes(head_decoding(session, card, options), table)
    records = records_of(annotations, options)
    outcome = loop(session, records, decoding, options)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "detections.json")
        write_detections(file, detections(outcome.found))
        ids = [record.id for record, _ in outcome.found]
        uncategorised = sum(found.uncategorised for _, found in outcome.found)
        evaluated = evaluate(options.anno_path, file, ids, uncategorised, table.notes)
    return describe(options, session, outcome, evaluated, len(records), table.how)


def framework_of(options: argparse.Namespace) -> str:
    """The framework's full word; TensorFlow's users give their .tflite files to it as well."""
    name = ALIASES.get(options.framework, options.framework)
    return "tflite" if name == "tensorflow" and options.model_path.suffix == ".tflite" else str(name)


def card_beside(model: Path) -> dict[str, Any]:
    """The card of an artifact of this project, or nothing."""
    path = model.parent / "card.json"
    card = read_json(path) if path.is_file() else {}
    return card if isinstance(card, dict) and card.get("file") == model.name else {}


def table_of(
    session: Session, card: Mapping[str, Any], annotations: Annotations, options: argparse.Namespace
) -> ClassTable:
    """Which category each class of the file is: by its card, else by COCO's names if it has as many classes as COCO."""
    if card.get("class_ids") or card.get("labels"):
        return table_of_card(card, annotations.categories)
    size = options.input_size or session.input_size or ANY_SIZE
    output = session.run(np.zeros((options.batch_size, size, size, 3), np.uint8))
    numbers = output.scores.shape[2] if isinstance(output, Heads) else None
    return class_table(annotations.categories, numbers=numbers)


def records_of(annotations: Annotations, options: argparse.Namespace) -> list[ImageRecord]:
    """The annotated images, turned as --orientation or their sizes say, by their ids."""
    large = annotations.large_ids
    images = sorted(annotations.images, key=lambda image: large.get(image.id, image.id))
    records, _, note = orient(options.images_path, images, options.orientation)
    if note:
        print(note)
    return records


def head_decoding(session: Session, card: Mapping[str, Any], options: argparse.Namespace) -> HeadDecoding:
    """Anchors from --anchors, from the card, or the standard ones; whether they fit is seen at the first call."""
    decoding = HeadDecoding(standard_anchors(), FASTER_RCNN, NMS)
    if card:
        decoding = detect.head_decoding(card, asdict(NMS))
    return decoding if options.anchors is None else replace(decoding, anchors=read_anchors(options.anchors))


def loop(session: Session, records: list[ImageRecord], decoding: HeadDecoding, options: argparse.Namespace) -> Outcome:
    """Call the network over the images in rotation until the time or the number of runs is reached."""
    size = options.input_size or session.input_size or ANY_SIZE
    batches = batches_of(
        load_images(options.images_path, cycle(records), size, options.channel_order), options.batch_size
    )
    found: list[tuple[ImageRecord, Found]] = []
    network_ms: list[float] = []
    progress = Progress("running", options.num_runs, "calls")
    first, pixels = next(batches)
    session.run(pixels)  # warm-up; its images come first in the measured calls
    start = time.perf_counter()
    while True:
        before = time.perf_counter_ns()
        output = session.run(pixels)
        network_ms.append((time.perf_counter_ns() - before) / 1e6)
        sizes = [(record.width, record.height) for record in first]
        found += list(zip(first, detections_of(output, sizes, decoding), strict=True))[
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
    """Group images: their records and their pixels uint8 [N, S, S, 3]."""
    while True:
        group = [next(images) for _ in range(size)]
        yield [record for record, _ in group], np.stack([pixels for _, pixels in group])


def describe(
    options: argparse.Namespace, session: Session, outcome: Outcome, evaluated: Mapping[str, Any], images: int, how: str
) -> str:
    """The result in words and tables. images: how many are annotated. how: classes became categories."""
    metrics = evaluated["metrics"]
    values = [[name, "-" if metrics[name] is None else f"{metrics[name]:.4f}"] for name in METRICS]
    latency = percentiles(outcome.network_ms)
    counted = images if len(outcome.found) == images else f"{len(outcome.found)} of {images}"
    lines = [
        f"{options.model_path} ({session.graph_kind}, {options.precision}), {options.channel_order}, "
        f"{options.threads} threads, batch {options.batch_size}",
        "",
        tabulate(values, tablefmt="plain", disable_numparse=True),
        "",
        f"Metrics over {counted} images, each counted once.",
        how,
        *evaluated["notes"],
        f"Network: {', '.join(f'{name} {value:.2f} ms' for name, value in latency.items())} "
        f"a call of {options.batch_size}, {len(outcome.network_ms)} calls.",
        f"Throughput from file to detections: {outcome.images / outcome.seconds:.1f} images/s.",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Print the result; exit code 1 and one sentence where something is wrong."""
    return exit_code(lambda: print(run(parse_arguments(arguments, os.environ))))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
