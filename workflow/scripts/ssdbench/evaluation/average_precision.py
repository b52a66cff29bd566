"""COCO's AP from matches, where each image has a weight: once, or as often as a bootstrap draw contains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ssdbench.arrays import Float64, Int64
from ssdbench.evaluation.coco_matching import CocoParams, Matches

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_PLACES = 16


@dataclass(frozen=True)
class _Level:
    """The detections that find an object at one IoU threshold, best first; all of one category and size.

    All rows are laid out as `_laid_out` says. iou: the threshold's index. found: float64 [E, N], sparse: the images of
    these detections. before: int64 [E], the row of `Curve.gaps` that counts what comes before each.

    The gaps count the detections whose own area has this size. That is corrected by the detections that count although
    their own area has another size (1 each), and by those that do not count although it has this one (-1). surplus: if
    there are any, float64 [1 + S, N], sparse, from the second row on, and int64 [E], the row that counts those up to
    each of the E.
    """

    iou: int
    found: csr_array
    before: Int64
    surplus: tuple[csr_array, Int64] | None


@dataclass(frozen=True)
class Curve:
    """All that the AP of one category at one size depends on, at the ten thresholds.

    size, category: indices. truth_image: int64, the images of the objects. gaps: float64 [1 + gaps, N], sparse: how
    many detections of this size each gap has in each image, from the second row on; laid out as `_laid_out` says.

    False detections matter only before a true one, and only their number matters. So the detections of this size are
    counted in "gaps", once for all thresholds: a gap is the detections between one that finds an object and the next.
    """

    size: int
    category: int
    truth_image: Int64
    gaps: csr_array
    levels: Sequence[_Level]

    @property
    def largest(self) -> int:
        """The length of the longest array that a draw needs."""
        return max(len(self.truth_image), int(self.gaps.shape[0]), *(len(level.before) for level in self.levels))


def curves_of(matches: Matches, params: CocoParams) -> Iterator[Curve]:
    """The curves of all categories and sizes that have objects."""
    sizes, categories = len(params.areas), len(matches.category_ids)
    borders = np.arange(sizes * categories + 1)
    truths = np.searchsorted(matches.truth_size * categories + matches.truth_category, borders).tolist()
    detections = np.searchsorted(matches.detection_category, borders[: categories + 1]).tolist()
    takers = np.searchsorted(matches.taker, detections).tolist()
    for number in range(sizes * categories):
        truth_image = matches.truth_image[truths[number] : truths[number + 1]]
        if truth_image.size:
            size, category = divmod(number, categories)
            of_category = slice(category, category + 2)
            yield _curve(
                matches, size, category, truth_image, slice(*takers[of_category]), slice(*detections[of_category])
            )


def _curve(matches: Matches, size: int, category: int, truth_image: Int64, takers: slice, detections: slice) -> Curve:
    images = len(matches.image_ids)
    iou, place = np.nonzero(matches.taken[size, :, takers])
    detection, true = matches.taker[takers][place], matches.true[size, :, takers][iou, place]
    own_size = matches.inside[size, detection]
    counting = true | own_size  # the others do not count, neither as true nor as false
    detection, iou, true, own_size = detection[counting], iou[counting], true[counting], own_size[counting]
    surplus = true.astype(np.float64) - own_size

    counted = detections.start + np.flatnonzero(matches.inside[size, detections])
    passed = np.searchsorted(counted, detection, side="right")  # how many there are up to and including each
    ends, before = np.unique(np.append(passed, 0), return_inverse=True)
    image = matches.detection_image[detection]
    gap = np.repeat(np.arange(1, len(ends)), np.diff(ends))
    gaps = _rows(gap, matches.detection_image[counted[: ends[-1]]], np.ones(len(gap)), (len(ends), images))
    levels = []
    for index in np.unique(iou).tolist():
        here = slice(*np.searchsorted(iou, [index, index + 1]).tolist())
        found, other = np.flatnonzero(true[here]), np.flatnonzero(surplus[here])
        if not found.size:
            continue
        count = 1 + len(other)
        correction = None
        if other.size:
            so_far = np.searchsorted(other, found, side="right")
            values = surplus[here][other]
            correction = (
                _rows(np.arange(1, count), image[here][other], values, (count, images)),
                _laid_out(_row(so_far, count)),
            )
        levels.append(
            _Level(
                iou=index,
                found=_rows(np.arange(len(found)), image[here][found], np.ones(len(found)), (len(found), images)),
                before=_laid_out(_row(before[:-1][here][found], len(ends))),
                surplus=correction,
            )
        )
    return Curve(size, category, truth_image, gaps, levels)


def _row(number: Int64, count: int) -> Int64:
    """Where each of `count` rows is laid out: first rows 0, 16, 32 ..., then 1, 17, 33 ..., and so on (padded to a
    multiple of 16), so that `_running` handles many pairs of neighbours at once."""
    return number % _PLACES * -(-count // _PLACES) + number // _PLACES


def _laid_out(values: Int64) -> Int64:
    """Values by row as `_row` says; the last value stands in the rows of the padding."""
    padded = np.append(values, np.repeat(values[-1:], -len(values) % _PLACES))
    return padded.reshape(-1, _PLACES).T.ravel()


def _rows(number: Int64, image: Int64, value: Float64, shape: tuple[int, int]) -> csr_array:
    """A sparse matrix of rows laid out as `_row` says, with each value in its row `number` and column `image`."""
    from scipy.sparse import csr_array  # imports slowly, and many jobs never get here

    rows, columns = shape
    return csr_array((value, (_row(number, rows), image)), (-(-rows // _PLACES) * _PLACES, columns))


def average_precisions(curve: Curve, weights: Float64, params: CocoParams) -> tuple[Float64, Float64]:
    """The number of objects, float64 [R], and AP at each threshold, float64 [10, R], in each of R draws.

    AP on a draw is what pycocotools gives for a dataset that contains each image as often as it was drawn; 0 without
    objects. (COCO does not define the order of equal scores in copies of an image; here a detection is followed by its
    copies.)

    Args:
        weights: float64 [N, R], how often each of the N images counts in each draw.
    """
    truths = weights[curve.truth_image].sum(axis=0)
    reached = _reached(truths, params.recalls)
    counted = _running(np.add, curve.gaps @ weights)
    precisions = np.zeros((len(params.ious), weights.shape[1]))
    for level in curve.levels:
        found = _running(np.add, level.found @ weights)
        ranked = counted.take(level.before, axis=0)
        if level.surplus is not None:
            rows, so_far = level.surplus
            ranked += _running(np.add, rows @ weights).take(so_far, axis=0)
        precisions[level.iou] = _average_precision(found, ranked, reached) / len(params.recalls)
    return truths, precisions


def _reached(truths: Float64, recalls: Float64) -> Float64:
    """How many of the recalls are reached in each draw with 0, 1, 2 ... of its `truths` [R] found: float64 [R, T]."""
    recall = np.arange(truths.max(initial=0) + 1) / np.maximum(truths, 1)[:, None]
    nearest = np.rint(recall.clip(max=1) * (len(recalls) - 1)).astype(np.int64)
    reached: Float64 = nearest + (recalls[nearest] <= recall).astype(np.float64)
    return reached


def _average_precision(found: Float64, ranked: Float64, reached: Float64) -> Float64:
    """The sum of the precisions at all recalls, float64 [R], as `COCOeval.accumulate` computes them: at each recall the
    best precision at this recall or more, 0 where it is not reached.

    Args:
        found, ranked: float64 [E, R]: at each true detection, the number of true detections up to it, and of all
            detections that count; laid out as `_row` says. They are overwritten.
        reached: what `_reached` returns.
    """
    ranked += np.spacing(1)  # as pycocotools keeps 0 / 0 away
    precision = _running(np.maximum, np.divide(found, ranked, out=ranked), backwards=True)
    draws, most = reached.shape
    found += np.arange(0, draws * most, most)
    so_far = reached.ravel().take(found.astype(np.int64)).reshape(_PLACES, -1, draws)
    new = found.reshape(so_far.shape)
    np.subtract(so_far[1:], so_far[:-1], out=new[1:])
    np.subtract(so_far[0, 1:], so_far[-1, :-1], out=new[0, 1:])
    new[0, 0] = so_far[0, 0]
    share: Float64 = np.einsum("er,er->r", found, precision)
    return share


def _running(function: np.ufunc, rows: Float64, backwards: bool = False) -> Float64:
    """`function.accumulate` down rows that are laid out as `_row` says, in place; several times as fast."""
    places = rows.reshape(_PLACES, -1, rows.shape[1])
    if backwards:
        places = places[::-1, ::-1]
    for place in range(1, _PLACES):
        function(places[place], places[place - 1], out=places[place])
    ends = function.accumulate(places[-1])
    function(places[:, 1:], ends[:-1], out=places[:, 1:])
    return rows
