"""Checks our metrics with pycocotools, on some images of every run."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import spread
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detection, Detections
from ssdbench.coco.metric_names import METRICS
from ssdbench.coco.objects import Annotation
from ssdbench.errors import UserError
from ssdbench.evaluation.coco_metrics import class_metrics, coco_metrics

_LOG = logging.getLogger(__name__)


_CHECKED = 64  # images: pycocotools takes 10 ms for each


def check_with_pycocotools(truth: Annotations, found: Detections, image_ids: Collection[int]) -> None:
    """Evaluate a few of the images with pycocotools too.

    Raises:
        UserError: pycocotools finds other metrics.
    """
    ids = sorted(image_ids)
    some = {ids[index] for index in spread(len(ids), _CHECKED)}
    objects = truth.annotations.in_images(some)
    rows = found[np.isin(found.image_id, list(some))]
    evaluator = _evaluated(truth, objects, rows, sorted(some))
    ours = coco_metrics(replace(truth, annotations=objects), rows, some)
    theirs = dict(zip(METRICS, map(_known, evaluator.stats), strict=True))
    classes = [
        _theirs_of_class(evaluator.eval["precision"][:, :, evaluator.params.catIds.index(category.id)])
        for category in truth.categories
    ]
    pairs = [(name, ours.metrics[name], value) for name, value in theirs.items()]
    for entry, of_class in zip(ours.per_class, classes, strict=True):
        pairs += [(f"{name} of {entry['name']}", entry[name], value) for name, value in of_class.items()]
    for name, own, other in pairs:
        if (own is None) != (other is None) or (own is not None and other is not None and abs(own - other) > 1e-9):
            raise UserError(
                f"On {len(some)} of the images {name} is {own}, but pycocotools finds {other}. "
                "These metrics cannot be trusted; please report this with both files."
            )
    _LOG.info("On %d of the images pycocotools finds the same metrics.", len(some))


def _evaluated(
    truth: Annotations, objects: Iterable[Annotation], found: Iterable[Detection], image_ids: Sequence[int]
) -> Any:
    """A COCOeval that has evaluated, accumulated and summarised."""
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = COCOeval(
            _index(truth, image_ids, map(_truth_row, objects)),
            _index(truth, image_ids, map(_found_row, found)),
            "bbox",
        )
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def _index(truth: Annotations, image_ids: Sequence[int], rows: Iterable[dict[str, Any]]) -> Any:
    """A pycocotools COCO over the given rows.

    Rows are numbered from 1, because COCOeval reads the id 0 of a true object as "no match". `COCO.loadRes` is not used
    because it fails on an empty list.
    """
    from pycocotools.coco import COCO

    index = COCO()
    index.dataset = {
        "images": [{"id": image_id} for image_id in image_ids],
        "categories": [asdict(category) for category in truth.categories],
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, start=1)],
    }
    index.createIndex()
    return index


def _truth_row(annotation: Annotation) -> dict[str, Any]:
    return {
        "image_id": annotation.image_id,
        "category_id": annotation.category_id,
        "bbox": list(annotation.bbox),
        "area": annotation.area,
        "iscrowd": int(annotation.iscrowd),
    }


def _found_row(detection: Detection) -> dict[str, Any]:
    _, _, width, height = detection.bbox
    return {
        "image_id": detection.image_id,
        "category_id": detection.category_id,
        "bbox": list(detection.bbox),
        "area": width * height,
        "iscrowd": 0,
        "score": detection.score,
    }


def _theirs_of_class(precision: NDArray[np.float64]) -> dict[str, float | None]:
    """The same from pycocotools' precision [IoU threshold, recall, size, most detections per image]; -1: no object."""
    of_size = precision[..., -1].mean(axis=1).T
    return class_metrics(np.where(of_size < 0, np.nan, of_size))


def _known(value: float) -> float | None:
    """A metric; None for pycocotools' -1, which means that there was nothing to find."""
    return None if value < 0 else float(value)
