"""How fast one cell is relative to another, from turns that they took close together in time.

Two cells of one cycle share what the machine did meanwhile, so it cancels in the ratio of their times. One difference
of logarithms a cycle is all that goes in: log(time of the reference) - log(time of the cell).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ssdbench.arrays import Float64

Verdict = Literal["faster", "slower", "alike", "undecided", "reference"]

# What a run on a machine may be off by beyond what it can see: standard deviation of log(speed). From eight runs at
# four times of one day, little else running (docs/performance.md).
BETWEEN_RUNS = 0.008

# Only the middle half of the differences counts: a turn that a spike hit says nothing about its cell.
_TRIMMED = 0.25
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


def relative_speeds(
    rounds: Sequence[Mapping[str, Float64]],
    confidence: float = 0.95,
    between_runs: float = BETWEEN_RUNS,
    seed: int = 0,
) -> dict[str, Speed]:
    """The speed of each cell that the cycles of one or more rounds give, with its interval.

    A speed is the mean of the middle half of the differences of all cycles. Its variance has three parts: that of the
    cycles, by a bootstrap over blocks of them within each round; what fresh processes add, by how far the rounds
    lie apart beyond what the cycles explain, from all cells together, since few rounds say little of one; and what no
    run can see of itself, `between_runs`. The interval is Student's t with the degrees of freedom of Welch and
    Satterthwaite (Biometrics Bulletin 2, 1946, 110-114): if few rounds of few cells differ a lot, it becomes very wide.

    Args:
        rounds: for each, by cell, the cycles' differences of logarithms [cycles] in the order of time; a round
            without any counts as one that was not measured.
        confidence: share of such intervals that hold the true speed.
        between_runs: standard deviation of log(speed) from run to run; 0 to compare cells within this run alone.
        seed: of the bootstrap.

    Returns:
        by cell, those with at least two cycles.
    """
    cells: dict[str, list[Float64]] = {}
    for one in rounds:
        for name, cycles in one.items():
            if len(cycles):
                cells.setdefault(name, []).append(cycles)
    cells = {name: own for name, own in cells.items() if sum(map(len, own)) > 1}
    generator = np.random.default_rng(seed)
    drawn = {name: [_drawn(cycles, generator) for cycles in own] for name, own in cells.items()}
    measured = sum(any(len(cycles) for cycles in one.values()) for one in rounds)
    of_processes = _processes([(own, drawn[name]) for name, own in cells.items()], measured)
    of_run = _Part(between_runs**2, math.inf)
    return {name: _speed(own, drawn[name], of_processes, of_run, confidence) for name, own in cells.items()}


@dataclass(frozen=True)
class _Part:
    """A part of a variance, and how well it is known: its degrees of freedom."""

    variance: float
    freedom: float


def _speed(
    rounds: Sequence[Float64],
    drawn: Sequence[Float64],
    of_processes: Sequence[_Part],
    of_run: _Part,
    confidence: float,
) -> Speed:
    """One cell's speed. of_processes: of the difference in one round, beyond what its cycles explain."""
    cycles = sum(map(len, rounds))
    centre = float(_middle_mean(np.concatenate(rounds)))
    within = float(np.var(_middle_mean(np.concatenate(drawn, axis=1)), ddof=1))
    share = sum((len(one) / cycles) ** 2 for one in rounds)
    parts = [of_run, _Part(within, max(1.0, cycles / _BLOCK - 1))]
    parts += [_Part(part.variance * share, part.freedom) for part in of_processes]
    variance = sum(part.variance for part in parts)
    reach = _student(confidence, _freedom(parts)) * math.sqrt(variance)
    return Speed(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach))


def verdict(speed: Speed, enough: float) -> Verdict:
    """What an interval says. enough: the relative width from which on an interval that holds 1 means `alike`."""
    if speed.low > 1:
        return "faster"
    if speed.high < 1:
        return "slower"
    return "alike" if speed.width <= enough else "undecided"


def times_as_long(speed: Speed, enough: float) -> float | None:
    """About how many times as long a measurement would have to be to decide an undecided speed; None: no time does.

    An interval decides when it leaves out 1, or is narrow enough for `alike`. It shrinks with the root of the time,
    but for what runs differ by.
    """
    stays = _student(0.95, math.inf) * BETWEEN_RUNS
    reach = math.log(speed.high / speed.low) / 2
    needed = max(abs(math.log(speed.speed)), enough / 2)
    if needed <= stays:
        return None
    return max(1.0, (reach**2 - stays**2) / (needed**2 - stays**2))


def _middle_mean(differences: Float64) -> Float64:
    """The mean of the middle half, over the last axis."""
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


def _processes(cells: Sequence[tuple[Sequence[Float64], Sequence[Float64]]], rounds: int) -> list[_Part]:
    """What the fresh processes of a round, the reference's and the cell's, add to the variance of a difference.

    From the cells that all rounds timed: how far the rounds lie apart, beyond what moves all cells alike and beyond
    the noise of the cycles, of which one half is the reference's. The reference is taken for a cell like the others,
    since it alone has only as many values as there are rounds.
    """
    complete = [(own, drawn) for own, drawn in cells if len(own) == rounds]
    if rounds < 2 or not complete:
        return []
    differences = [[_middle_mean(cycles) for cycles in own] for own, _ in complete]
    means = np.array([[0.0] * rounds, *differences])
    noise = float(np.mean([np.var(_middle_mean(draws), ddof=1) for _, drawn in complete for draws in drawn]))
    rest = means - means.mean(axis=1, keepdims=True) - means.mean(axis=0) + means.mean()
    freedom = (rounds - 1) * len(complete)
    of_a_process = max(0.0, float(np.sum(rest**2)) / freedom - noise / 2)
    return [_Part(2 * of_a_process, freedom)]


def _freedom(parts: Sequence[_Part]) -> float:
    """Degrees of freedom of the sum of the parts."""
    below = sum(part.variance**2 / part.freedom for part in parts)
    return sum(part.variance for part in parts) ** 2 / below if below else math.inf


def _student(confidence: float, freedom: float) -> float:
    from scipy.stats import t  # imports slowly

    return float(t.ppf(0.5 + confidence / 2, freedom))
