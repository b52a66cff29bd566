"""Detections to test statistics with: real ones, invented ones, and what pycocotools makes of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ssdbench.coco.annotations import Annotations
from ssdbench.coco.categories import Category
from ssdbench.coco.detections import Detection
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.objects import Annotation, Objects

# What ssdlite_mobilenet_v2 finds in the 130 images of `coco_sample` when fed RGB and BGR: the best 40 detections of
# each image, boxes int16 x y w h in tenths of a pixel.
_REAL = Path(__file__).with_name("coco_sample_detections.npz")


def real_detections(channels: str) -> list[Detection]:
    """Detections in `coco_sample`, of a detector that was fed `rgb` or `bgr`."""
    with np.load(_REAL) as file:
        image, category, score, box = (file[f"{channels}_{key}"] for key in ("image", "category", "score", "box"))
    columns = zip(image.tolist(), category.tolist(), (box / 10).tolist(), score.tolist(), strict=True)
    return [Detection(image_id, category_id, tuple(box), score) for image_id, category_id, box, score in columns]


def pycocotools_evaluation(truth: Annotations, found: Iterable[Detection], image_ids: Sequence[int]) -> Any:
    """A COCOeval, used as its own demonstration does it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def index(rows: Iterable[Annotation | Detection]) -> COCO:
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image.id} for image in truth.images],
            "categories": [asdict(category) for category in truth.categories],
            "annotations": [
                {"area": row.bbox[2] * row.bbox[3], "iscrowd": 0, **asdict(row), "bbox": list(row.bbox), "id": number}
                for number, row in enumerate(rows, start=1)
            ],
        }
        coco.createIndex()
        return coco

    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(index(truth.annotations), index(found), "bbox")
        evaluator.params.imgIds = list(image_ids)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def invented_truth(images: int, categories: int, objects: Iterable[Annotation]) -> Annotations:
    """Annotations of images 1, 2, ... with categories 1, 2, ..."""
    return Annotations(
        categories=tuple(Category(number, f"class {number}") for number in range(1, categories + 1)),
        images=tuple(ImageRecord(number, f"{number}.jpg", 640, 480, "") for number in range(1, images + 1)),
        annotations=Objects.of(objects),
        notes=(),
    )


# Few places and sides, so that boxes coincide, nest, meet thresholds exactly and lie on the edges of the sizes
# (32 x 32 and 96 x 96 pixels); few scores, so that there are ties.
_BOXES = st.tuples(
    st.sampled_from([0.0, 8.0, 16.0]),
    st.sampled_from([0.0, 4.0]),
    st.sampled_from([0.0, 16.0, 32.0, 64.0, 96.0, 100.0]),
    st.sampled_from([16.0, 32.0, 96.0, 128.0]),
)
_IMAGES, _CATEGORIES = 3, 2


def _rows(kind: Any, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    image, category = st.integers(1, _IMAGES), st.integers(1, _CATEGORIES)
    return st.lists(st.builds(kind, image_id=image, category_id=category, bbox=_BOXES, **fields), max_size=12)


@st.composite
def small_cases(draw: st.DrawFn) -> tuple[Annotations, list[Detection]]:
    """A few objects, among them crowds, and detections in three images with two categories."""
    areas = st.sampled_from([200.0, 1024.0, 1025.0, 9216.0, 20000.0])
    objects = draw(_rows(Annotation, id=st.just(0), area=areas, iscrowd=st.booleans()))
    detections = draw(_rows(Detection, score=st.sampled_from([0.1, 0.5, 0.9])))
    return invented_truth(_IMAGES, _CATEGORIES, objects), detections
