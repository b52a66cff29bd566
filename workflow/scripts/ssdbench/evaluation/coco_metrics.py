"""COCO's detection metrics, computed by hotcoco and checked with pycocotools on some images of every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.arrays import Float64, Int64
from ssdbench.coco.annotations import Annotation, Annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.metric_names import METRICS

_AT_ONCE = 100  # images that are handed over at once: they fit into a cache


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
    wanted = set(image_ids)
    objects = [row for row in truth.annotations if row.image_id in wanted]
    precision, recall = _evaluated(
        objects, found, np.array(sorted(wanted), np.int64), np.array([one.id for one in truth.categories], np.int64)
    )
    ap, ar = precision[..., -1].mean(axis=1), recall[..., -1]
    every, small, medium, large = range(4)
    values = [
        ap[..., every], ap[0, :, every], ap[5, :, every], *(ap[..., size] for size in (small, medium, large)),
        *(recall[..., every, most] for most in range(3)), *(ar[..., size] for size in (small, medium, large)),
    ]  # fmt: skip
    counts = Counter(row.category_id for row in objects if not row.iscrowd)
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


def _evaluated(
    objects: Sequence[Annotation], found: Detections, image_ids: Int64, category_ids: Int64
) -> tuple[Float64, Float64]:
    """Precision float64 [10, 101, K, 4, 3] and recall float64 [10, K, 4, 3], as `COCOeval.eval` has them; NaN without
    objects.

    Their axes: IoU threshold, recall, category, size, most detections of a category in an image.

    Args:
        objects: of these images. image_ids: int64 [N], ascending, as COCO ranks equal scores. category_ids: int64 [K].
    """
    from hotcoco import StreamingEval

    evaluator = StreamingEval([{"id": number, "name": str(number)} for number in range(len(category_ids))])
    truth_image = _places(image_ids, [row.image_id for row in objects])
    truth_category = _places(category_ids, [row.category_id for row in objects]).tolist()
    truth_order = np.argsort(truth_image, kind="stable")
    image, category = _places(image_ids, found.image_id), _places(category_ids, found.category_id)
    order = np.flatnonzero((image >= 0) & (category >= 0))
    order = order[np.argsort(image[order], kind="stable")]
    borders = range(0, len(image_ids) + _AT_ONCE, _AT_ONCE)
    truth_ends, ends = (np.searchsorted(one, borders) for one in (truth_image[truth_order], image[order]))
    for number, first in enumerate(borders[:-1]):
        images = range(first, min(first + _AT_ONCE, len(image_ids)))
        truths = truth_order[slice(*truth_ends[number : number + 2])]
        rows = order[slice(*ends[number : number + 2])]
        evaluator.update(
            [{"id": number} for number in images],
            [
                {
                    "id": row + 1,
                    "image_id": int(truth_image[row]),
                    "category_id": truth_category[row],
                    "bbox": objects[row].bbox,
                    "area": objects[row].area,
                    "iscrowd": int(objects[row].iscrowd),
                }
                for row in truths.tolist()
            ],
            np.column_stack([image[rows], found.box[rows], found.score[rows], category[rows]]),
        )
    finished = evaluator.finalize()
    finished.accumulate()
    assert finished.eval
    precision, recall = (finished.eval[key] for key in ("precision", "recall"))
    return np.where(precision < 0, np.nan, precision), np.where(recall < 0, np.nan, recall)


def _places(ids: Int64, values: Int64 | list[int]) -> Int64:
    """The place of each value among `ids`, which are distinct: int64 [N]; -1 for one that is not there."""
    values = np.asarray(values, np.int64)
    if not len(ids):
        return np.full(len(values), -1)
    order = np.argsort(ids)
    nearest = order[np.searchsorted(ids, values, sorter=order).clip(max=len(ids) - 1)]
    return np.where(ids[nearest] == values, nearest, -1)


def class_metrics(precision: Float64) -> dict[str, float | None]:
    """Metrics of one category from its AP float64 [4, 10] at each size and threshold, NaN without objects."""
    every, small, medium, large = precision
    values = {"AP": every, "AP50": every[0], "APsmall": small, "APmedium": medium, "APlarge": large}
    return {name: _mean(value) for name, value in values.items()}


def _mean(values: Float64) -> float | None:
    """The mean of the values that are not NaN; None if all are."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None
