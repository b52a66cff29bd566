"""TIDE: which kinds of errors a cell makes, and how much AP50 each kind costs.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020 (arXiv:2008.08115).
The numbers equal those of the authors' package `tidecv` 1.0.1 for the same files.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float32, Float64, Int64, places
from ssdbench.boxes.decoding import Found
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections
from ssdbench.evaluation.image_matching import Truths, found_by_image, matches, overlaps, same_class, truths_by_image

ERRORS = ("classification", "localisation", "both", "duplicate", "background", "missed")
_CLASS, _PLACE, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(6)
_RIGHT, _UNFIXED = -1, -1

# Overlap that finds an object, and overlap up to which a box is on background (section 2.2 of the paper).
_FOREGROUND, _BACKGROUND_IOU = 0.5, 0.1
_RECALLS = np.arange(101) / 100


@dataclass(frozen=True)
class TideErrors:
    """The errors of one cell, for each of ERRORS.

    ap50: AP at IoU 0.5, 0 to 1, as `tidecv` defines it: the mean over every class that has a truth or a detection. It
    is below COCO's if a class is detected that the images do not contain.
    cost: how much ap50 rises, 0 to 1, if the errors of one kind are corrected, as `tidecv` defines it. The kinds
    overlap, so costs do not add up.
    cost_in_order: the same, but equal scores stay in their order. When `tidecv` corrects a kind, and only then, it puts
    wrong detections before right ones of equal score. int8 has few distinct scores, so its `cost` is too low (by a
    third on average for SSDLite in TFLite's int8, and 0 for the rarer kinds). Use this one to compare a cell with its
    reference. Without equal scores both are the same.
    counts: the number of detections, or of truths for `missed`.
    """

    ap50: float
    cost: dict[str, float]
    cost_in_order: dict[str, float]
    counts: dict[str, int]


@dataclass(frozen=True)
class _Judged:
    """Detections and their kinds; the columns of one image, or of all. They come best first.

    kinds: _RIGHT or the error. counted: False for false detections within a crowd, which AP does not count. fixes: the
    class that a detection has once its error is corrected, or _UNFIXED if correcting it removes the detection.
    missed: int64 [M], classes of the truths that no detection matches, not even with the wrong class or a poor box.
    """

    class_ids: Int64
    scores: Float32
    kinds: Int64
    counted: NDArray[np.bool_]
    fixes: Int64
    missed: Int64


def tide_errors(truth: Annotations, rows: Detections, image_ids: Collection[int]) -> TideErrors:
    """The errors in the detections `rows` of the given images; the best 100 detections of an image count."""
    wanted = set(image_ids)
    ids = [image.id for image in truth.images if image.id in wanted]
    truths = truths_by_image(truth.annotations, ids)
    found = found_by_image(rows, ids)
    all_judged = _joined([_judged(found[image_id], truths[image_id]) for image_id in ids])
    classes, positives = np.unique(np.concatenate([t.class_ids for t in truths.values()]), return_counts=True)
    objects = dict(zip(classes.tolist(), positives.tolist(), strict=True))
    ap50 = _ap50(all_judged, objects)
    return TideErrors(
        ap50=ap50,
        cost=_costs(ap50, all_judged, objects, wrong_first=True),
        cost_in_order=_costs(ap50, all_judged, objects, wrong_first=False),
        counts={
            name: len(all_judged.missed) if kind == _MISSED else int((all_judged.kinds == kind).sum())
            for kind, name in enumerate(ERRORS)
        },
    )


def _judged(found: Found, truths: Truths) -> _Judged:
    """Judge the detections of one image, which come best first."""
    count = len(found.scores)
    alike = same_class(found, truths)
    iou = overlaps(found.boxes, truths.boxes)
    iou_alike, iou_other = iou * alike, iou * ~alike
    matched = matches(iou_alike, _FOREGROUND)
    used = np.zeros(len(truths.ids), bool)
    used[matched[matched >= 0]] = True

    best_alike, best_other = _best(iou_alike), _best(iou_other)
    kinds = np.full(count, _BOTH)
    kinds[_best(iou) <= _BACKGROUND_IOU] = _BACKGROUND  # from here on, the later ones prevail
    kinds[_best(iou_alike * used) >= _FOREGROUND] = _DUPLICATE
    kinds[best_other >= _FOREGROUND] = _CLASS
    kinds[(best_alike >= _BACKGROUND_IOU) & (best_alike <= _FOREGROUND)] = _PLACE
    kinds[matched >= 0] = _RIGHT
    fixes = np.full(count, _UNFIXED)
    claimed = used.copy()
    for row in np.flatnonzero((kinds == _PLACE) | (kinds == _CLASS)):
        aim = (iou_alike if kinds[row] == _PLACE else iou_other)[row].argmax()
        if not claimed[aim]:  # only the best of those that aim at one truth could find it
            fixes[row] = truths.class_ids[aim]
            claimed[aim] = True
    in_crowd = overlaps(found.boxes, truths.crowd_boxes, crowd=True) > _FOREGROUND
    in_crowd &= found.class_ids[:, None] == truths.crowd_class_ids
    counted = (kinds == _RIGHT) | ~in_crowd.any(axis=1)
    return _Judged(found.class_ids, found.scores, kinds, counted, fixes, truths.class_ids[~claimed])


def _best(iou: Float64) -> Float64:
    """The largest overlap of each detection, or 0 without truths: float64 [K]."""
    best: Float64 = iou.max(axis=1, initial=0)
    return best


def _joined(parts: list[_Judged]) -> _Judged:
    """The detections of all images, best first, ties in the order of the images."""
    order = np.argsort(-np.concatenate([part.scores for part in parts]), kind="stable")
    return _Judged(
        class_ids=np.concatenate([part.class_ids for part in parts])[order],
        scores=np.concatenate([part.scores for part in parts])[order],
        kinds=np.concatenate([part.kinds for part in parts])[order],
        counted=np.concatenate([part.counted for part in parts])[order],
        fixes=np.concatenate([part.fixes for part in parts])[order],
        missed=np.concatenate([part.missed for part in parts]),
    )


def _ap50(judged: _Judged, objects: dict[int, int]) -> float:
    counted = judged.counted
    return _mean_ap(judged.class_ids[counted], judged.kinds[counted] == _RIGHT, objects)


def _costs(ap50: float, judged: _Judged, objects: dict[int, int], wrong_first: bool) -> dict[str, float]:
    aps = (_ap50_without(kind, judged, objects, wrong_first) for kind in range(len(ERRORS)))
    return {name: max(ap - ap50, 0.0) for name, ap in zip(ERRORS, aps, strict=True)}


def _ap50_without(kind: int, judged: _Judged, objects: dict[int, int], wrong_first: bool) -> float:
    """AP50 after the errors of one kind are corrected, if they aim at a truth that no other takes, or else removed."""
    if kind == _MISSED:
        classes, missed = np.unique(judged.missed, return_counts=True)
        gone = dict(zip(classes.tolist(), missed.tolist(), strict=True))
        objects = {class_id: count - gone.get(class_id, 0) for class_id, count in objects.items()}
    fixed = judged.kinds == kind
    right = judged.kinds == _RIGHT
    wrong = np.where(fixed, judged.fixes != _UNFIXED, judged.counted & ~right)
    order = np.flatnonzero(wrong | right)
    if wrong_first:
        tie = np.cumsum(np.diff(judged.scores[order], prepend=np.inf) != 0)
        order = order[np.argsort(2 * tie + right[order], kind="stable")]
    class_ids = np.where(fixed, judged.fixes, judged.class_ids)
    return _mean_ap(class_ids[order], (right | fixed)[order], objects)


def _mean_ap(class_ids: Int64, right: NDArray[np.bool_], objects: dict[int, int]) -> float:
    """Mean AP, 0 to 1, over the classes that have objects or detections; the detections come best first."""
    classes = np.unique(class_ids)
    place = places(classes, class_ids).astype(np.min_scalar_type(len(classes)))  # small numbers are sorted faster
    starts = np.cumsum(np.bincount(place, minlength=len(classes)))[:-1]
    of_class = np.split(right[np.argsort(place, kind="stable")], starts) if len(classes) else []
    groups = dict(zip(classes.tolist(), of_class, strict=True))
    counted = groups.keys() | {class_id for class_id, count in objects.items() if count}
    if not counted:
        return 0.0
    none = np.zeros(0, bool)
    return sum(_ap(groups.get(class_id, none), objects.get(class_id, 0)) for class_id in sorted(counted)) / len(counted)


def _ap(right: NDArray[np.bool_], objects: int) -> float:
    """AP, 0 to 1, of the detections of a class, best first, at COCO's 101 recalls."""
    if not (objects and len(right)):
        return 0.0
    found = np.cumsum(right)
    precision = found / np.arange(1, len(right) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(found / objects, _RECALLS, side="left")].mean())
