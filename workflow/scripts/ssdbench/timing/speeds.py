"""How fast one cell is relative to another, from turns that they took close together in time.

Two cells of one cycle share what the machine did meanwhile, so it cancels in the ratio of their times. One difference
of logarithms a cycle is all that goes in: log(time of the reference) - log(time of the cell).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ssdbench.arrays import Float64

Verdict = Literal["faster", "slower", "alike", "undecided", "reference"]

# Of the cycles' differences the outer tenths do not count: a turn that a spike hit says nothing about its cell.
_TRIMMED = 0.1
# Cycles in a row are alike, so they are drawn in blocks. Longer blocks than this left too few to draw from.
_BLOCK = 5
# The bootstrap gives a standard error, not a percentile: 200 draws know it within 5 %.
_DRAWS = 200


@dataclass(frozen=True)
class Speed:
    """How many times as fast as the reference a cell is, with the ends of a confidence interval.

    error: standard error of log(speed).
    """

    speed: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """The relative width of the interval, (high - low) / speed."""
        return (self.high - self.low) / self.speed

    @property
    def holds_one(self) -> bool:
        """Whether the interval leaves open which of the two is faster."""
        return self.low <= 1 <= self.high


def relative_speed(rounds: Sequence[Float64], confidence: float = 0.95, seed: int = 0) -> Speed | None:
    """The speed that the cycles of one or more rounds give, with its interval.

    The speed is the trimmed mean of the differences of all cycles. Its variance has two parts: within rounds, by a
    bootstrap over blocks of cycles; and between rounds, as far as their own means differ by more than the first part
    explains. The second part comes from few rounds, so the interval is Student's t with the degrees of freedom of
    Welch and Satterthwaite (Biometrics Bulletin 2, 1946, 110-114): with two rounds that differ a lot it becomes very
    wide, with rounds that agree it is that of the cycles alone.

    Args:
        rounds: for each round the cycles' differences of logarithms [cycles], in the order of time; empty ones are
            left out.
        confidence: share of such intervals that hold the true speed.
        seed: of the bootstrap.

    Returns:
        None with fewer than two cycles.
    """
    kept = [round_ for round_ in rounds if len(round_)]
    if sum(map(len, kept)) < 2:
        return None
    generator = np.random.default_rng(seed)
    drawn = [_drawn(differences, generator) for differences in kept]
    centre = float(_trimmed_mean(np.concatenate(kept)))
    within = float(np.var(_trimmed_mean(np.concatenate(drawn, axis=1)), ddof=1))
    between = _between(kept, drawn)
    variance = within + between
    freedom = _freedom(within, sum(map(len, kept)) / _BLOCK, between, len(kept))
    reach = _student(confidence, freedom) * math.sqrt(variance)
    return Speed(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach))


def verdict(speed: Speed, enough: float) -> Verdict:
    """What an interval says. enough: the relative width from which on an interval that holds 1 means `alike`."""
    if speed.low > 1:
        return "faster"
    if speed.high < 1:
        return "slower"
    return "alike" if speed.width <= enough else "undecided"


def times_as_long(speed: Speed, enough: float) -> float:
    """About how many times as long a measurement would have to be to decide an undecided speed.

    An interval shrinks with the root of the time. It decides when it leaves out 1, or is narrow enough for `alike`.
    """
    reach = math.log(speed.high / speed.low) / 2
    needed = max(abs(math.log(speed.speed)), enough / 2)
    return max(1.0, (reach / needed) ** 2)


def _trimmed_mean(differences: Float64) -> Float64:
    """The mean over the last axis without the outer tenths."""
    ordered = np.sort(differences, axis=-1)
    count = ordered.shape[-1]
    cut = int(_TRIMMED * count)
    mean: Float64 = ordered[..., cut : count - cut].mean(axis=-1)
    return mean


def _drawn(differences: Float64, generator: np.random.Generator) -> Float64:
    """Draws of a round's cycles [_DRAWS, cycles], in blocks that begin anywhere and go on from the end at the start."""
    count = len(differences)
    starts = generator.integers(0, count, size=(_DRAWS, math.ceil(count / _BLOCK)))
    places = (starts[:, :, None] + np.arange(_BLOCK)).reshape(_DRAWS, -1)[:, :count] % count
    drawn: Float64 = differences[places]
    return drawn


def _between(rounds: Sequence[Float64], drawn: Sequence[Float64]) -> float:
    """The variance of the speed that rounds add, beyond what their cycles explain.

    Only half of what they explain is taken off: with two or three rounds, taking off all of it hides real differences
    between processes too often (intervals of 95 % then held the ratio in 88 % of the simulated runs).
    """
    if len(rounds) < 2:
        return 0.0
    means = np.array([_trimmed_mean(differences) for differences in rounds])
    expected = np.mean([np.var(_trimmed_mean(one), ddof=1) for one in drawn])
    excess = max(0.0, float(np.var(means, ddof=1) - expected / 2))
    shares = np.array([len(differences) for differences in rounds]) / sum(map(len, rounds))
    return excess * float(np.sum(shares**2))


def _freedom(within: float, blocks: float, between: float, rounds: int) -> float:
    """Degrees of freedom of the sum of the two variances."""
    if within + between == 0:
        return math.inf
    of_within = within**2 / max(1.0, blocks - 1)
    of_between = between**2 / (rounds - 1) if rounds > 1 else 0.0
    return (within + between) ** 2 / (of_within + of_between)


def _student(confidence: float, freedom: float) -> float:
    from scipy.stats import t  # imports slowly

    return float(t.ppf(0.5 + confidence / 2, freedom))
