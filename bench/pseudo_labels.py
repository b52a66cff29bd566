"""Do pseudo labels predict the share of AP that int8 keeps on real labels? Prints the table of docs/int8.md.

Makes ONNX files of the default model with weights of 7 and 8 bits, as int8 and as int8_mixed, with some layers in
floats, and compares what pseudo labels say on calibration images with what is kept on annotated images.

  PYTHONPATH=workflow/scripts python bench/pseudo_labels.py --images val2017 --annotations instances_val2017.json \
      --calibration train2017_100

It needs the fp32 file that `make run` makes. Run time: about 5 minutes on one core.
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

from ssdbench.arrays import Float64
from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.catalog.frameworks import frameworks
from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.conversion.artifact import open_artifact
from ssdbench.conversion.mixed_files import onnx_candidates
from ssdbench.conversion.to_onnx import to_int8
from ssdbench.evaluation.coco_metrics import coco_metrics
from ssdbench.evaluation.pseudo_labels import PseudoLabels, object_ap
from ssdbench.images.image_folder import folder_records
from ssdbench.images.pixels import load_images
from ssdbench.inference.detect import head_decoding, rows_of
from ssdbench.runtimes import open_session

CARD = Path("resources/models/ssdlite_mobilenet_v2/artifacts/heads/onnxruntime/fp32/card.json")
NMS = {"score": 1e-8, "iou": 0.6, "max": 100}
NUMBERS = (0, 1, 2, 4, 8, 16)


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


def detections(found: dict[int, Found]) -> Detections:
    """The detections of all images as columns."""
    return Detections.of(row for image_id, one in found.items() for row in rows_of(image_id, one))


def average_precisions(truth: Annotations, found: dict[int, Found]) -> Float64:
    """AP over objects and COCO's AP, on labels: float64 [2], 0 to 1."""
    columns, images = detections(found), list(found)
    ap = coco_metrics(truth, columns, images).metrics["AP"]
    return np.array([object_ap(truth, columns, images), ap or 0.0])


def files(model: Any, pixels: Sequence[Any], folder: Path) -> Iterator[tuple[int, str, int, Path]]:
    """Weight bits, how the file is made, layers in floats, and the file."""
    path = folder / frameworks()["onnxruntime"].model_file
    for bits in (7, 8):
        candidates = onnx_candidates(model, pixels, bits == 7, folder / "ranges.json")
        layers = candidates.order
        for number in NUMBERS[:3]:
            onnx.save(to_int8(model, pixels, bits == 7, layers[:number]), str(path))
            yield bits, "int8", number, path
        for number in NUMBERS:
            path.write_bytes(candidates.make(layers[:number]))
            yield bits, "int8_mixed", number, path


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
    full = average_precisions(truth, labelled.found(fp32, decoding))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for bits, made, number, path in files(onnx.load(str(fp32)), calibration.pixels, Path(folder)):
            predicted = labels.kept(calibration.found(path, free))
            measured = average_precisions(truth, labelled.found(path, decoding)) / full
            rows.append([bits, made, number, predicted, *measured])
            print(tabulate(rows[-1:], tablefmt="plain", floatfmt=".4f"), flush=True)
    print(tabulate(rows, ["weight bits", "made as", "layers in floats", "predicted", "kept", "AP kept"], "pipe",
                   floatfmt=".3f"))  # fmt: skip
    predicted, kept, ap = np.array([row[3:] for row in rows]).T
    for name, of in (("kept", kept), ("AP kept", ap)):
        print(f"{name}: correlation {np.corrcoef(predicted, of)[0, 1]:.2f}, prediction too high by "
              f"{(predicted - of).mean():+.4f}, standard deviation {(predicted - of).std():.4f}")  # fmt: skip


if __name__ == "__main__":
    main()
