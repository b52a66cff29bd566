"""COCO's AP from matches, where each image has a weight: once, or as often as a bootstrap draw contains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ssdbench.arrays import Bool, Float64, Int64
from ssdbench.evaluation.coco_matching import CocoParams, Matches

_NUMBERS_AT_ONCE = 1 << 22  # bounds memory


@dataclass(frozen=True)
class _Level:
    """The detections that find an object at one IoU threshold, best first; all of one category and size.

    iou: the threshold's index. image: int64 [E]. before: int64 [E], the number of gaps before each. surplus: float64
    [E]: 1 if the detection counts although its own area has another size, -1 if it does not count although its area
    has this size, else 0. true: bool [E], whether it counts.
    """

    iou: int
    image: Int64
    before: Int64
    surplus: Float64
    true: Bool


@dataclass(frozen=True)
class Curve:
    """All that the AP of one category at one size depends on, at the ten thresholds.

    size, category: indices. truth_image: int64, the images of the objects. gap_image: int64, the images of the
    detections of this size, best first. gap_start: int64, where each gap in `gap_image` begins.

    False detections matter only before a true one, and only their number matters. So the detections of this size are
    counted in "gaps", once for all thresholds: a gap is the detections between one that finds an object and the next.
    """

    size: int
    category: int
    truth_image: Int64
    gap_image: Int64
    gap_start: Int64
    levels: Sequence[_Level]

    @property
    def largest(self) -> int:
        """The length of the longest array that a draw needs."""
        return max(len(self.gap_start), *(len(level.image) for level in self.levels), 1)


def curves_of(matches: Matches, params: CocoParams) -> Iterator[Curve]:
    """The curves of all categories and sizes that have objects."""
    sizes, categories = len(params.areas), len(matches.category_ids)
    borders = np.arange(sizes * categories + 1)
    truths = np.searchsorted(matches.truth_size * categories + matches.truth_category, borders).tolist()
    rows = np.searchsorted(matches.match_size * categories + matches.match_category, borders).tolist()
    detections = np.searchsorted(matches.detection_category, borders[: categories + 1]).tolist()
    for number in range(sizes * categories):
        truth_image = matches.truth_image[truths[number] : truths[number + 1]]
        if truth_image.size:
            size, category = divmod(number, categories)
            of_curve = slice(rows[number], rows[number + 1])
            yield _curve(matches, size, category, truth_image, of_curve, slice(*detections[category : category + 2]))


def _curve(matches: Matches, size: int, category: int, truth_image: Int64, rows: slice, detections: slice) -> Curve:
    detection, iou, true = matches.match_detection[rows], matches.match_iou[rows], matches.match_true[rows]
    own_size = matches.inside[size, detection]
    counting = true | own_size  # the others do not count, neither as true nor as false
    detection, iou, true, own_size = detection[counting], iou[counting], true[counting], own_size[counting]
    surplus = true.astype(np.float64) - own_size

    counted = detections.start + np.flatnonzero(matches.inside[size, detections])
    passed = np.searchsorted(counted, detection, side="right")  # how many there are up to and including each
    ends, before = np.unique(np.append(passed, 0), return_inverse=True)
    image = matches.detection_image[detection]
    levels = []
    for index in np.unique(iou).tolist():
        here = slice(*np.searchsorted(iou, [index, index + 1]).tolist())
        levels.append(_Level(index, image[here], before[:-1][here], surplus[here], true[here]))
    gap_image = matches.detection_image[counted[: ends[-1]]]
    return Curve(size, category, truth_image, gap_image, ends[:-1], levels)


def average_precisions(curve: Curve, weights: Float64, params: CocoParams) -> tuple[Float64, Float64]:
    """The number of objects, float64 [R], and AP at each threshold, float64 [10, R], in each of R draws.

    AP on a draw is what pycocotools gives for a dataset that contains each image as often as it was drawn; 0 without
    objects. (COCO does not define the order of equal scores in copies of an image; here a detection is followed by its
    copies.)

    Args:
        weights: float64 [N, R], how often each of the N images counts in each draw.
    """
    draws = weights.shape[1]
    truths = weights[curve.truth_image].sum(axis=0)
    counted = np.zeros((len(curve.gap_start) + 1, draws))
    np.cumsum(_in_gaps(curve, weights), axis=0, out=counted[1:])
    precisions = np.zeros((len(params.ious), draws))
    for level in curve.levels:
        weight = weights[level.image]
        ranked = counted[level.before]
        if level.surplus.any():
            ranked += np.cumsum(weight * level.surplus[:, None], axis=0)
        found = np.cumsum(weight[level.true], axis=0)
        if found.size:
            precisions[level.iou] = _average_precision(found, ranked[level.true], truths, params.recalls)
    return truths, precisions


def _in_gaps(curve: Curve, weights: Float64) -> Float64:
    """The number of detections in each gap: float64 [gaps, R]."""
    sums = np.empty((len(curve.gap_start), weights.shape[1]))
    at_once = max(_NUMBERS_AT_ONCE // weights.shape[1], 1)
    ends = np.append(curve.gap_start[1:], len(curve.gap_image))
    first = 0
    while first < len(sums):
        start = curve.gap_start[first]
        last = max(int(np.searchsorted(ends, start + at_once, side="right")), first + 1)
        images = curve.gap_image[start : ends[last - 1]]
        sums[first:last] = np.add.reduceat(weights[images], curve.gap_start[first:last] - start, axis=0)
        first = last
    return sums


def _average_precision(found: Float64, ranked: Float64, truths: Float64, recalls: Float64) -> Float64:
    """AP float64 [R], as `COCOeval.accumulate` computes it: at each recall take the best precision at this recall or
    more; AP is the mean.

    Args:
        found, ranked: float64 [E, R]: at each true detection, the number of true detections up to it, and of all
            detections that count.
        truths: float64 [R]. recalls: float64 [101], from 0 to 1 in even steps.
    """
    precision = found / (ranked + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    recall = found / np.maximum(truths, 1)
    nearest = np.rint(recall * (len(recalls) - 1)).astype(np.int64)
    reached = nearest + (recalls[nearest] <= recall)
    share: Float64 = (precision * np.diff(reached, axis=0, prepend=0)).sum(axis=0) / len(recalls)
    return share
