"""COCO's detection metrics: those of pycocotools, which checks them on some images of every run."""

from __future__ import annotations

import contextlib
import io
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.coco.annotations import Annotation, Annotations, read_annotations
from ssdbench.coco.detections import Detection, Detections, read_detections
from ssdbench.errors import UserError
from ssdbench.evaluation.average_precision import average_precisions, parts_of
from ssdbench.evaluation.coco_matching import coco_rules, match
from ssdbench.evaluation.tide import tide_errors
from ssdbench.inference.trace import spread

_LOG = logging.getLogger(__name__)

# The order of COCOeval.stats.
METRICS = (
    "AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge",
    "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge",
)  # fmt: skip
MOST = (1, 10, 100)  # detections of a category in an image that recall counts
_CHECKED = 64  # images: pycocotools takes 10 ms for each


@dataclass(frozen=True)
class CocoMetrics:
    """What COCO measures of one cell; None where there is nothing to measure, such as APlarge without large objects.

    metrics: name -> value, COCO's twelve in its order. per_class: for each category of the annotations its
    category_id, name, truths (objects that are no crowd, in these images) and AP, AP50, APsmall, APmedium, APlarge.
    """

    metrics: dict[str, float | None]
    per_class: list[dict[str, Any]]


def evaluate(annotations: Path, detections: Path, image_ids: Sequence[int]) -> dict[str, Any]:
    """The metrics of one detections file over the images of an image list, found and missed alike.

    Args:
        annotations: a COCO instances file.
        detections: a COCO results file of these images.
        image_ids: the images that count; the annotations of others are left out.

    Returns:
        metrics, per_class: `CocoMetrics`, checked with pycocotools on some of the images.
        errors: `tide.TideErrors` as a dictionary.
        images, detections: how many. notes: sentences on what is unusual.

    Raises:
        UserError: a file cannot be used, or the files do not belong to these images.
    """
    truth = read_annotations(annotations)
    found = read_detections(detections)
    wanted = set(image_ids)
    if missing := wanted - {image.id for image in truth.images}:
        raise UserError(
            f"{annotations} does not have the image {min(missing)} of the image list. "
            "Give the annotations that the list was made from."
        )
    if foreign := set(np.unique(found.image_id).tolist()) - wanted:
        raise UserError(
            f"{detections} has detections in image {min(foreign)}, which is not in the image list. "
            "Detect the objects in the listed images again."
        )
    measured = coco_metrics(truth, found, wanted)
    check_with_pycocotools(truth, found, wanted)
    return {
        **vars(measured),
        "errors": asdict(tide_errors(truth, found, sorted(wanted))),
        "images": len(wanted),
        "detections": len(found),
        "notes": [*truth.notes, *_notes(found, {category.id for category in truth.categories})],
    }


def coco_metrics(truth: Annotations, found: Detections, image_ids: Collection[int]) -> CocoMetrics:
    """COCO's metrics of detections over images; objects and detections in other images are left out."""
    rules, wanted = coco_rules(), set(image_ids)
    matches = match(truth, found, wanted)
    shape = len(rules.areas), len(matches.category_ids), len(rules.ious)
    truths = _counts((matches.truth_size, matches.truth_category), shape[:2])
    absent = np.where(truths, 1.0, np.nan)[..., None]
    precision = np.zeros(shape)
    once = np.ones((len(matches.image_ids), 1))
    for part in parts_of(matches, rules):
        precision[part.size, part.category] = average_precisions(part, once, rules)[1][:, 0]
    precision *= absent
    rank = matches.detection_rank[matches.match_detection]
    recall = {}
    for most in MOST:
        counting = matches.match_true & (rank < most)
        taken = tuple(column[counting] for column in (matches.match_size, matches.match_category, matches.match_iou))
        recall[most] = _counts(taken, shape) / np.maximum(truths, 1)[..., None] * absent
    every, small, medium, large = range(len(rules.areas))
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


def check_with_pycocotools(truth: Annotations, found: Detections, image_ids: Collection[int]) -> None:
    """Evaluate a few of the images with pycocotools, too.

    Raises:
        UserError: it finds other metrics.
    """
    ids = sorted(image_ids)
    some = {ids[index] for index in spread(len(ids), _CHECKED)}
    objects = [row for row in truth.annotations if row.image_id in some]
    rows = found[np.isin(found.image_id, list(some))]
    evaluator = _evaluated(truth, objects, rows, sorted(some))
    ours = coco_metrics(replace(truth, annotations=tuple(objects)), rows, some)
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
                "Report this with both files: these metrics cannot be trusted."
            )
    _LOG.info("On %d of the images pycocotools finds the same metrics.", len(some))


def _counts(indices: tuple[NDArray[np.int64], ...], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """How often each index tuple comes: int64 [shape]."""
    flat = np.ravel_multi_index(indices, shape) if len(indices[0]) else indices[0]
    counts: NDArray[np.int64] = np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)
    return counts


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

    Rows are numbered from 1: COCOeval takes a true object with the id 0 for "no match". `COCO.loadRes` is not
    used because it fails on an empty list.
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


def _class_metrics(precision: NDArray[np.float64]) -> dict[str, float | None]:
    """Metrics of one category from its AP float64 [4, 10] at each size and threshold, NaN without objects."""
    every, small, medium, large = precision
    values = {"AP": every, "AP50": every[0], "APsmall": small, "APmedium": medium, "APlarge": large}
    return {name: _mean(value) for name, value in values.items()}


def _theirs_of_class(precision: NDArray[np.float64]) -> dict[str, float | None]:
    """The same from pycocotools' precision [IoU threshold, recall, size, most detections per image]: -1 is absent."""
    of_size = precision[..., -1].mean(axis=1).T
    return _class_metrics(np.where(of_size < 0, np.nan, of_size))


def _mean(values: NDArray[np.float64]) -> float | None:
    """The mean of what is there; None where nothing is."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if there.size else None


def _known(value: float) -> float | None:
    """A metric, or None for pycocotools' -1: there was nothing to find."""
    return None if value < 0 else float(value)


def _notes(found: Detections, category_ids: Collection[int]) -> list[str]:
    notes = []
    if not len(found):
        notes.append("There is not one detection, so every metric is 0.")
    unknown = found.category_id[~np.isin(found.category_id, list(category_ids))]
    if unknown.size:
        ids = ", ".join(map(str, np.unique(unknown).tolist()))
        notes.append(
            f"{unknown.size} of {len(found)} detections do not count, because the annotations do not have "
            f"their categories: {ids}."
        )
    return notes
