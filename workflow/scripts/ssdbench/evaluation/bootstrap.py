"""Is the drop real? A paired bootstrap over images of the AP of two cells, and a verdict on their difference.

As many images as there are are drawn with replacement, many times, and AP is computed on each draw. The interval is the
middle 95 % of the differences between the two cells (percentile interval: Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, section 13.3). On simulated detections the basic and the bias-corrected interval did not cover better,
and covered worse with rare categories. With rare categories this interval too is up to a fifth too narrow (it covers
91 %), because a category with a few objects in the images might have had none.

The draws depend only on the seed and the number of images. So cells of the same images are paired, although each is
drawn on its own, once, whatever it is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ssdbench.arrays import Float64, Int64
from ssdbench.evaluation.average_precision import Curve, average_precisions, curves_of
from ssdbench.evaluation.coco_matching import CocoParams, Matches, coco_params

COMPARED_METRICS = ("AP", "AP50", "APsmall", "APmedium", "APlarge")

_NUMBERS_AT_ONCE = 2**22  # of the largest array: bounds memory
_DRAWS_AT_ONCE = 256  # more are not faster: the arrays outgrow the caches
_MOST_IMAGES = 1_000_000  # advice to take more would be useless


@dataclass(frozen=True)
class Draws:
    """The APs of one cell on its images and on each of R draws of them, in the order of `COMPARED_METRICS`.

    image_ids: int64 [N], ascending. measured: float64 [5]. drawn: float64 [R, 5]. NaN where no object counts.
    """

    image_ids: Int64
    seed: int
    measured: Float64
    drawn: Float64

    def is_paired_with(self, other: Draws) -> bool:
        """Whether both cells have the same draws of the same images; only then do their differences mean anything."""
        alike = (self.seed, self.drawn.shape) == (other.seed, other.drawn.shape)
        return alike and np.array_equal(self.image_ids, other.image_ids)


@dataclass(frozen=True)
class Interval:
    """The difference of a cell's AP from the reference's (negative: the cell is worse), and its 95 % interval."""

    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """Whether a cell keeps enough of the reference's AP, also in words.

    images_needed: for `undecided`, about how many images would decide it; None if no number would.
    """

    name: Literal["kept", "lost", "undecided"]
    words: str
    images_needed: int | None


@dataclass(frozen=True)
class Comparison:
    """A cell and the reference, compared on the same images; `dataclasses.asdict` makes it JSON.

    intervals: for each of `COMPARED_METRICS`; None if no object counts. verdict: on AP.
    """

    images: int
    replicates: int
    seed: int
    intervals: Mapping[str, Interval | None]
    verdict: Verdict


def draw(matches: Matches, replicates: int = 1000, seed: int = 0) -> Draws:
    """Compute COCO's APs of one cell, on its images and on `replicates` draws of them.

    Categories without an object in a draw do not count in it. See `average_precisions`.
    """
    params = coco_params()
    curves = list(curves_of(matches, params))
    count = len(matches.image_ids)
    largest = max(count, *(curve.largest for curve in curves), 1)
    at_once = min(max(_NUMBERS_AT_ONCE // largest, 1), _DRAWS_AT_ONCE)
    random = np.random.default_rng(seed)
    drawn = np.empty((replicates, len(COMPARED_METRICS)))
    for first in range(0, replicates, at_once):
        wanted = range(first, min(first + at_once, replicates))
        # One call per draw, so the draws do not depend on how many are computed at once.
        draws = [np.bincount(random.integers(count, size=count), minlength=count) for _ in wanted]
        drawn[wanted.start : wanted.stop] = _metrics(curves, np.array(draws, np.float64).T.copy(), params)
    return Draws(matches.image_ids, seed, _metrics(curves, np.ones((count, 1)), params)[0], drawn)


def compare(reference: Draws, cell: Draws, share: float = 0.99) -> Comparison:
    """Compare a cell with the reference.

    Args:
        reference, cell: drawn from the same images, with the same seed and number of replicates.
        share: how much of the reference's AP the cell should keep, 0 to 1.
    """
    assert reference.is_paired_with(cell), "cells of different images, or drawn differently"
    differences = np.vstack([cell.measured - reference.measured, cell.drawn - reference.drawn])
    intervals = {name: _interval(column) for name, column in zip(COMPARED_METRICS, differences.T, strict=True)}
    images = len(cell.image_ids)
    judged = verdict(intervals["AP"], float(reference.measured[0]), images, share)
    return Comparison(images, len(cell.drawn), cell.seed, intervals, judged)


def verdict(interval: Interval | None, reference_ap: float, images: int, share: float = 0.99) -> Verdict:
    """Judge whether a cell keeps `share` of the reference's AP.

    It is kept if every difference in the interval keeps the share, lost if none does, else undecided. The number of
    images that would decide it assumes that the difference stays as measured, and that the interval narrows with
    1 / sqrt(images). The reference's AP is taken as exact, because only 1 - share of its error would move the limit.
    """
    percent = f"{share * 100:g} %"
    if interval is None or not reference_ap > 0:
        return Verdict("undecided", "The reference finds nothing, so there is nothing to keep.", None)
    limit = -(1 - share) * reference_ap
    difference, low, high = (
        f"{value:+.4f}".replace("-", "−") for value in (interval.difference, interval.low, interval.high)
    )
    found = f"of the reference's AP of {reference_ap:.3f}: it differs by {difference} (95 % interval {low} to {high})."
    if interval.low >= limit:
        return Verdict("kept", f"The cell keeps at least {percent} {found}", None)
    if interval.high < limit:
        return Verdict("lost", f"The cell keeps less than {percent} {found}", None)
    words = f"{images:,} images do not tell whether the cell keeps {percent} {found}"
    margin = interval.difference - limit
    nearer = interval.low if margin > 0 else interval.high
    needed = images * ((interval.difference - nearer) / margin) ** 2 if margin else math.inf
    if needed > _MOST_IMAGES:
        return Verdict("undecided", f"{words} The difference is so near the limit that even a million would not.", None)
    rounded = _rounded_up(needed)
    return Verdict("undecided", f"{words} About {rounded:,} images would, if the difference stays.", rounded)


def _interval(differences: Float64) -> Interval | None:
    """The interval of a difference: as measured, float64 [0], and on draws, float64 [1:]; NaN if no object counts."""
    drawn = differences[1:][~np.isnan(differences[1:])]
    if np.isnan(differences[0]) or not drawn.size:
        return None
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return Interval(float(differences[0]), low, high)


def _rounded_up(number: float) -> int:
    """The next larger number with two significant digits."""
    step = int(10 ** max(math.floor(math.log10(number)) - 1, 0))
    return math.ceil(number / step) * step


def _metrics(curves: Sequence[Curve], weights: Float64, params: CocoParams) -> Float64:
    """`COMPARED_METRICS` float64 [R, 5], given how often each image counts in each draw: weights float64 [N, R]."""
    draws = weights.shape[1]
    sums = np.zeros((len(params.areas), len(params.ious), draws))
    present = np.zeros((len(params.areas), draws))
    for curve in curves:
        truths, precisions = average_precisions(curve, weights, params)
        present[curve.size] += truths > 0
        sums[curve.size] += precisions
    with np.errstate(invalid="ignore"):  # 0 / 0: no category has an object
        of_size = sums / present[:, None]
    every, small, medium, large = of_size.mean(axis=1)
    return np.stack([every, of_size[0, 0], small, medium, large], axis=1)


def to_record(draws: Draws) -> dict[str, Any]:
    """Draws as plain JSON data; NaN becomes None."""
    return {
        "image_ids": draws.image_ids.tolist(),
        "seed": draws.seed,
        "measured": _plain(draws.measured),
        "drawn": [_plain(row) for row in draws.drawn],
    }


def from_record(record: Mapping[str, Any]) -> Draws:
    """The draws that `to_record` gave."""
    return Draws(
        np.array(record["image_ids"], np.int64),
        record["seed"],
        np.array(record["measured"], np.float64),
        np.array(record["drawn"], np.float64).reshape(-1, len(COMPARED_METRICS)),
    )


def _plain(values: Float64) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values.tolist()]
