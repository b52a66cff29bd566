"""Do pseudo labels predict the share of AP that int8 keeps on real labels? Prints the table of docs/int8.md.

Makes ONNX files of the default model with weights of 7 and 8 bits and with some layers in floats, and compares what
pseudo labels say on calibration images with the AP on annotated images.

  python bench/pseudo_labels.py --images val2017 --annotations instances_val2017.json --calibration train2017_100

It needs the fp32 file that `make run` makes. Run time: about 3 minutes on one core.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from tabulate import tabulate

from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.catalog.frameworks import frameworks
from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.conversion.artifact import open_artifact
from ssdbench.conversion.head_effects import head_effects
from ssdbench.conversion.to_onnx import int8_layers, to_int8
from ssdbench.evaluation.bootstrap import draw
from ssdbench.evaluation.coco_matching import match
from ssdbench.evaluation.pseudo_labels import PseudoLabels
from ssdbench.images.image_folder import folder_records
from ssdbench.images.pixels import load_images
from ssdbench.inference.detect import head_decoding, rows_of
from ssdbench.runtimes import open_session

CARD = Path("resources/models/ssdlite_mobilenet_v2/artifacts/heads/onnxruntime/fp32/card.json")
NMS = {"score": 1e-8, "iou": 0.6, "max": 100}
NUMBERS = (0, 1, 2, 4, 8, 16, 32)


class Images:
    """Images as they are fed, and what a file finds in them."""

    def __init__(self, folder: Path, records: Sequence[ImageRecord], size: tuple[int, int]) -> None:
        self.records = list(records)
        self.pixels = [pixels for _, pixels in load_images(folder, self.records, size, "rgb")]

    def found(self, path: Path, decoding: HeadDecoding) -> dict[int, Found]:
        """The detections of an ONNX file by image id."""
        session = open_session("onnxruntime", path, 1)
        pairs = zip(self.records, self.pixels, strict=True)
        return {
            record.id: detections_of(session.run(pixels[None]), [(record.width, record.height)], decoding)[0]
            for record, pixels in pairs
        }


def average_precision(truth: Annotations, found: dict[int, Found]) -> float:
    """AP of detections on labels, 0 to 1."""
    rows = (row for image_id, one in found.items() for row in rows_of(image_id, one))
    return float(draw(match(truth, Detections.of(rows), list(found)), replicates=0).measured[0])


def files(model: Any, pixels: Sequence[Any], folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Weight bits, layers in floats, and the file."""
    for bits in (7, 8):
        sound = to_int8(model, pixels, bits == 7, (), folder / "ranges.json")
        effects = head_effects(model, sound, int8_layers(model), [pixels[0], pixels[-1]])
        order = sorted(effects, key=lambda layer: -effects[layer])
        for number in NUMBERS:
            path = folder / frameworks()["onnxruntime"].model_file
            onnx.save(to_int8(model, pixels, bits == 7, order[:number], folder / "ranges.json"), str(path))
            yield bits, number, path


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("images", "annotations", "calibration"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # of onnxruntime's quantiser, for each file
    card, fp32 = open_artifact(CARD)
    size = (card["input_size"][0], card["input_size"][1])
    truth = read_annotations(options.annotations)
    labelled = Images(options.images, truth.images, size)
    calibration = Images(options.calibration, folder_records(options.calibration)[:100], size)
    decoding, free = head_decoding(card, NMS, truth.categories), head_decoding(card, NMS)
    labels = PseudoLabels(calibration.found(fp32, free))
    full = average_precision(truth, labelled.found(fp32, decoding))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for bits, number, path in files(onnx.load(str(fp32)), calibration.pixels, Path(folder)):
            predicted = labels.kept(calibration.found(path, free))
            measured = average_precision(truth, labelled.found(path, decoding)) / full
            rows.append([bits, number, predicted, measured, predicted - measured])
            print(tabulate(rows[-1:], tablefmt="plain", floatfmt=".4f"), flush=True)
    print(tabulate(rows, ["bits", "in floats", "predicted", "measured", "difference"], "pipe", floatfmt=".3f"))
    both = np.array([row[2:4] for row in rows]).T
    print(f"correlation {np.corrcoef(both)[0, 1]:.2f}, mean difference {(both[0] - both[1]).mean():+.4f}, "
          f"standard deviation of the difference {(both[0] - both[1]).std():.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
