"""COCO's detection metrics, equal to those of pycocotools, which checks them on some images of every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.metric_names import METRICS
from ssdbench.evaluation.average_precision import average_precisions, curves_of
from ssdbench.evaluation.coco_matching import coco_params, match

MOST = (1, 10, 100)  # how many detections of a category in an image count for recall


@dataclass(frozen=True)
class CocoMetrics:
    """COCO's metrics of one cell; None if there is nothing to measure, such as APlarge without large objects.

    metrics: name -> value, COCO's twelve in its order. per_class: for each category of the annotations its
    category_id, name, truths (objects in these images that are not crowds), AP, AP50, APsmall, APmedium, APlarge.
    """

    metrics: dict[str, float | None]
    per_class: list[dict[str, Any]]


def coco_metrics(truth: Annotations, found: Detections, image_ids: Collection[int]) -> CocoMetrics:
    """Compute COCO's metrics of detections in the given images; objects and detections in others are left out."""
    params, wanted = coco_params(), set(image_ids)
    matches = match(truth, found, wanted)
    shape = len(params.areas), len(matches.category_ids), len(params.ious)
    truths = _counts((matches.truth_size, matches.truth_category), shape[:2])
    absent = np.where(truths, 1.0, np.nan)[..., None]
    precision = np.zeros(shape)
    once = np.ones((len(matches.image_ids), 1))
    for curve in curves_of(matches, params):
        precision[curve.size, curve.category] = average_precisions(curve, once, params)[1][:, 0]
    precision *= absent
    rank = matches.detection_rank[matches.match_detection]
    recall = {}
    for most in MOST:
        counting = matches.match_true & (rank < most)
        taken = tuple(column[counting] for column in (matches.match_size, matches.match_category, matches.match_iou))
        recall[most] = _counts(taken, shape) / np.maximum(truths, 1)[..., None] * absent
    every, small, medium, large = range(len(params.areas))
    values = [
        precision[every], precision[every, :, 0], precision[every, :, 5], *precision[[small, medium, large]],
        *(recall[most][every] for most in MOST), *recall[MOST[-1]][[small, medium, large]],
    ]  # fmt: skip
    objects = Counter(row.category_id for row in truth.annotations if row.image_id in wanted and not row.iscrowd)
    return CocoMetrics(
        {name: _mean(value) for name, value in zip(METRICS, values, strict=True)},
        [
            {
                "category_id": category.id,
                "name": category.name,
                "truths": objects[category.id],
                **_class_metrics(precision[:, int(np.searchsorted(matches.category_ids, category.id))]),
            }
            for category in truth.categories
        ],
    )


def _counts(indices: tuple[NDArray[np.int64], ...], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """How often each tuple of indices occurs: int64 [shape]."""
    flat = np.ravel_multi_index(indices, shape) if len(indices[0]) else indices[0]
    counts: NDArray[np.int64] = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    return counts


def _class_metrics(precision: NDArray[np.float64]) -> dict[str, float | None]:
    """Metrics of one category from its AP float64 [4, 10] at each size and threshold, NaN without objects."""
    every, small, medium, large = precision
    values = {"AP": every, "AP50": every[0], "APsmall": small, "APmedium": medium, "APlarge": large}
    return {name: _mean(value) for name, value in values.items()}


def _mean(values: NDArray[np.float64]) -> float | None:
    """The mean of the values that are not NaN; None if all are."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None
