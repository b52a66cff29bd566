"""A few real images' truths and detections, kept in tests/data/tidecv.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ssdbench.coco.annotations import Annotations
from ssdbench.coco.categories import Category
from ssdbench.coco.detections import Detection
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.objects import Annotation, Objects

FILE = Path(__file__).resolve().parents[1] / "data" / "tidecv.json"
CELLS = ("tensorflow/fp32", "tflite/int8")


def real_truth() -> Annotations:
    """The truths of 14 images of COCO val2017, six of them with crowds."""
    content = json.loads(FILE.read_text())
    return Annotations(
        categories=tuple(Category(identity, str(identity)) for identity in content["categories"]),
        images=tuple(ImageRecord(identity, f"{identity}.jpg", 640, 640, "") for identity in content["images"]),
        annotations=Objects.of(
            Annotation(number, image, category, (x, y, width, height), width * height, bool(crowd))
            for number, (image, category, x, y, width, height, crowd) in enumerate(content["truths"], start=1)
        ),
        notes=(),
    )


def real_detections(cell: str) -> list[Detection]:
    """The best 50 detections of a cell in each of the images, best first."""
    rows = json.loads(FILE.read_text())["cells"][cell]["rows"]
    return [Detection(image, category, (x, y, w, h), score) for image, category, x, y, w, h, score in rows]


def figures_of_tidecv(cell: str) -> dict[str, Any]:
    """What tidecv 1.0.1 says of them: ap50, and cost and counts by error."""
    figures: dict[str, Any] = json.loads(FILE.read_text())["cells"][cell]["tidecv"]
    return figures
