"""COCO's detection metrics, from matches; pycocotools checks them on some images of every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.arrays import Bool, Float64, Int64, Integers
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.metric_names import METRICS
from ssdbench.evaluation.coco_matching import CocoParams, Matches, coco_params, match


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
    objects = truth.annotations.in_images(image_ids)
    matches = match(truth, found, image_ids)
    precision, recall = _accumulated(matches, coco_params())
    ap, ar = precision.mean(axis=1), recall[..., -1]
    every, small, medium, large = range(4)
    values = [
        ap[..., every], ap[0, :, every], ap[5, :, every], *(ap[..., size] for size in (small, medium, large)),
        *(recall[..., every, most] for most in range(3)), *(ar[..., size] for size in (small, medium, large)),
    ]  # fmt: skip
    counts = Counter(objects.category_id[~objects.crowd].tolist())
    return CocoMetrics(
        {name: _mean(value) for name, value in zip(METRICS, values, strict=True)},
        [
            {
                "category_id": category.id,
                "name": category.name,
                "truths": counts[category.id],
                **class_metrics(ap[:, number].T),
            }
            for category, number in zip(
                truth.categories,
                np.searchsorted(matches.category_ids, [one.id for one in truth.categories]),
                strict=True,
            )
        ],
    )


def _accumulated(matches: Matches, params: CocoParams) -> tuple[Float64, Float64]:
    """Precision float64 [10, 101, K, 4] of up to 100 detections, and recall float64 [10, K, 4, 3] of up to 1, 10 and
    100, as `COCOeval.accumulate` computes them; NaN without objects.

    Their axes: IoU threshold, recall, category, size, most detections of a category in an image.
    """
    ious, categories, sizes = len(params.ious), len(matches.category_ids), len(params.areas)
    precision = np.empty((ious, len(params.recalls), categories, sizes))
    recall = np.empty((ious, categories, sizes, len(params.most)))
    first = np.searchsorted(matches.detection_category, np.arange(categories))
    first_taker = np.searchsorted(matches.taker, first)
    category = matches.detection_category[matches.taker]
    for size in range(sizes):
        # Detections of this size count, unless they take an object that does not; others if they take one that does.
        inside, true = matches.inside[size], matches.true[size]
        before = _before(inside)
        more_before = _before(true.view(np.int8) - (matches.taken[size] & inside[matches.taker]))
        counted = before[matches.taker + 1] - before[first[category]]
        iou, taker = np.nonzero(true)
        counted = counted[taker] + more_before[iou, taker + 1] - more_before[iou, first_taker[category[taker]]]

        curve = iou * categories + category[taker]
        found = np.bincount(curve, minlength=ious * categories)
        start = np.cumsum(found) - found
        exact = (np.arange(1, len(curve) + 1) - start[curve]) / (counted + np.spacing(1))  # keeps 0 / 0 away, as COCO
        objects = np.bincount(matches.truth_category[matches.truth_size == size], minlength=categories)
        number = _numbers(objects, params.recalls)
        found, start = found.reshape(ious, categories, 1), start.reshape(ious, categories, 1)
        # From one recall to the next, and then from each on: the best precision.
        best = np.maximum.reduceat(np.append(exact, 0.0), (start + np.minimum(number, found)).ravel())
        best = np.where(number < found, best.reshape(ious, categories, len(params.recalls)), 0)
        best = np.maximum.accumulate(best[..., ::-1], axis=-1)[..., ::-1].copy()
        best[:, objects == 0] = np.nan
        precision[..., size] = best.swapaxes(1, 2)
        objects = np.where(objects, objects, np.nan)
        for index, most in enumerate(params.most):
            early = curve[matches.taker_rank[taker] < most]
            recall[..., size, index] = np.bincount(early, minlength=ious * categories).reshape(ious, -1) / objects
    return precision, recall


def _before(counts: Integers | Bool) -> Integers:
    """The sum of what comes before each place of the last axis and, behind the last one, of all: one more of them."""
    sums = np.zeros((*counts.shape[:-1], counts.shape[-1] + 1), np.int32)
    np.cumsum(counts, axis=-1, out=sums[..., 1:])
    return sums


def _numbers(objects: Int64, recalls: Float64) -> Int64:
    """The true detection that reaches each recall, from 0, of int64 [K] objects: int64 [K, 101]."""
    count = np.floor(recalls * objects[:, None])
    count += count / np.maximum(objects, 1)[:, None] < recalls
    return count.astype(np.int64).clip(1) - 1


def class_metrics(precision: Float64) -> dict[str, float | None]:
    """Metrics of one category from its AP float64 [4, 10] at each size and threshold, NaN without objects."""
    every, small, medium, large = precision
    values = {"AP": every, "AP50": every[0], "APsmall": small, "APmedium": medium, "APlarge": large}
    return {name: _mean(value) for name, value in values.items()}


def _mean(values: Float64) -> float | None:
    """The mean of the values that are not NaN; None if all are."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None
