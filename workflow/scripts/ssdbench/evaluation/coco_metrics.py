"""COCO's detection metrics, computed by hotcoco and checked with pycocotools on some images of every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.arrays import Float64, Int64, places
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.metric_names import METRICS
from ssdbench.coco.objects import Objects

_AT_ONCE = 200  # images that are handed over at once: they fit into a cache


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
    ids = np.array(sorted(set(image_ids)), np.int64)
    objects = truth.annotations.in_images(ids)
    category_ids = np.array([one.id for one in truth.categories], np.int64)
    precision, recall = _evaluated(objects, found, ids, category_ids)
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
            for number, category in enumerate(truth.categories)
        ],
    )


def _evaluated(objects: Objects, found: Detections, image_ids: Int64, category_ids: Int64) -> tuple[Float64, Float64]:
    """Precision float64 [10, 101, K, 4] of up to 100 detections, and recall float64 [10, K, 4, 3] of up to 1, 10 and
    100, as `COCOeval.eval` has them; NaN without objects, and for recall of up to 1 and 10 at sizes but the first.

    Their axes: IoU threshold, recall, category, size, most detections of a category in an image.

    Args:
        objects: of these images. image_ids: int64 [N], ascending, as COCO ranks equal scores. category_ids: int64 [K].
    """
    from hotcoco import StreamingEval

    evaluator = StreamingEval([{"id": number, "name": str(number)} for number in range(len(category_ids))])
    truth_image, truth_category = places(image_ids, objects.image_id), places(category_ids, objects.category_id)
    truth_order = np.argsort(truth_image, kind="stable")
    image, category = places(image_ids, found.image_id), places(category_ids, found.category_id)
    order = np.flatnonzero((image >= 0) & (category >= 0))
    order = order[np.argsort(image[order], kind="stable")]
    borders = range(0, len(image_ids) + _AT_ONCE, _AT_ONCE)
    truth_ends, ends = (np.searchsorted(one, borders) for one in (truth_image[truth_order], image[order]))
    for number, first in enumerate(borders[:-1]):
        images = range(first, min(first + _AT_ONCE, len(image_ids)))
        truths = truth_order[slice(*truth_ends[number : number + 2])]
        rows = _together(order[slice(*ends[number : number + 2])])
        evaluator.update(
            [{"id": number} for number in images],
            _rows(truths + 1, truth_image[truths], truth_category[truths], objects[truths]),
            np.column_stack([image[rows], found.box[rows], found.score[rows], category[rows]]),
        )
    finished = evaluator.finalize()
    # Precision and recall of up to 1 and 10 detections at each size would take a third more time, for nothing.
    sizes, limits = finished.params.area_rng, finished.params.max_dets
    precision, recall = _accumulated(finished, sizes, limits[-1:])
    fewer = np.full((*recall.shape[:-1], len(limits) - 1), np.nan)
    fewer[:, :, :1] = _accumulated(finished, sizes[:1], limits[:-1])[1]
    return precision[..., 0], np.concatenate([fewer, recall], axis=-1)


def _rows(ids: Int64, images: Int64, categories: Int64, objects: Objects) -> list[dict[str, Any]]:
    """Objects as hotcoco takes them."""
    columns = (ids, images, categories, objects.box, objects.area, objects.crowd.astype(np.int64))
    return [
        {"id": identity, "image_id": image, "category_id": category, "bbox": box, "area": area, "iscrowd": crowd}
        for identity, image, category, box, area, crowd in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _together(places: Int64) -> Int64 | slice:
    """The same places as a slice if each follows the one before: no column is copied then."""
    return slice(places[0], places[-1] + 1) if len(places) and (np.diff(places) == 1).all() else places


def _accumulated(evaluator: Any, sizes: list[list[float]], limits: list[int]) -> tuple[Float64, Float64]:
    """Precision and recall of an evaluator at some of its sizes and numbers of detections; NaN without objects."""
    evaluator.params.area_rng, evaluator.params.max_dets = sizes, limits
    evaluator.accumulate()
    precision, recall = (evaluator.eval[key] for key in ("precision", "recall"))
    return np.where(precision < 0, np.nan, precision), np.where(recall < 0, np.nan, recall)


def class_metrics(precision: Float64) -> dict[str, float | None]:
    """Metrics of one category from its AP float64 [4, 10] at each size and threshold, NaN without objects."""
    every, small, medium, large = precision
    values = {"AP": every, "AP50": every[0], "APsmall": small, "APmedium": medium, "APlarge": large}
    return {name: _mean(value) for name, value in values.items()}


def _mean(values: Float64) -> float | None:
    """The mean of the values that are not NaN; None if all are."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None
