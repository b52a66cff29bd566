"""int8_mixed: which layers stay in floats, so that an int8 network keeps its accuracy.

Layers are taken in the order of what they cost in int8. Their number is doubled until the share is kept, then halved
in between: the fewest that keep it. Candidates are judged on one half of the calibration images; what was found is
checked on the other half.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_LOG = logging.getLogger(__name__)

MOST_CANDIDATES = 12
MOST_SECONDS = 600.0


@dataclass(frozen=True)
class Kept:
    """The share of fp32's AP that a candidate would keep: on the half that layers are chosen on, and on the other."""

    chosen_on: float
    checked_on: float


@dataclass(frozen=True)
class Candidate:
    """One file of the search: how many layers it has in floats, and what it keeps."""

    in_floats: int
    kept: Kept

    @property
    def least(self) -> float:
        """Of both halves, the lower one; NaN counts as nothing."""
        return min(float(np.nan_to_num(half)) for half in (self.kept.chosen_on, self.kept.checked_on))


@dataclass(frozen=True)
class Outcome:
    """What a search came to.

    best: the candidate with the fewest layers in floats that keeps the share on both halves; else the one that keeps
    most. tried: every candidate, in the order of trying. stopped: why the search ended early; else empty. seconds: how
    long it took.
    """

    share: float
    best: Candidate
    tried: tuple[Candidate, ...]
    stopped: str
    seconds: float

    @property
    def is_kept(self) -> bool:
        """Whether the best one keeps the share."""
        return self.best.least >= self.share

    @property
    def words(self) -> str:
        """The outcome in a sentence."""
        kept, number = self.best.kept, self.best.in_floats
        layers = {0: "no layer", 1: "1 layer"}.get(number, f"{number} layers")
        found = (
            f"{layers} left in floats: by pseudo labels {kept.chosen_on:.1%} of fp32's AP is kept on the half of the "
            f"calibration images that layers are chosen on, {kept.checked_on:.1%} on the other"
        )
        if self.is_kept:
            return found
        numbers = ", ".join(str(one.in_floats) for one in self.tried)
        why = self.stopped or "more would cost the speed that int8 is for"
        tried = f"nothing tried keeps {self.share:.1%} on both halves ({numbers} layers in floats; {why})"
        return f"{tried}. The best has {found}"


def search(
    layers: int,
    judge: Callable[[int], Kept],
    share: float,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Find the fewest of the first `layers` layers that have to stay in floats.

    Args:
        judge: makes the file with so many layers in floats, and says what it keeps.
        share: of fp32's AP that is to be kept, 0 to 1.
    """
    begun = clock()
    tried: dict[int, Candidate] = {}
    stopped = ""

    def kept_by(number: int) -> Kept:
        if number not in tried:
            tried[number] = Candidate(number, judge(number))
            kept = tried[number].kept
            _LOG.info(
                "Candidate %d: %d layers in floats keep %.4f of fp32's AP on the half that layers are chosen on, "
                "%.4f on the other; wanted: %g.",
                *(len(tried), number, kept.chosen_on, kept.checked_on, share),
            )
        return tried[number].kept

    def may_go_on() -> bool:
        nonlocal stopped
        if len(tried) >= MOST_CANDIDATES:
            stopped = f"the bound of {MOST_CANDIDATES} candidates was reached"
        elif clock() - begun > MOST_SECONDS:
            stopped = f"the bound of {MOST_SECONDS / 60:g} minutes was reached"
        return not stopped

    def is_short(number: int) -> bool:
        kept_by(number)
        return tried[number].least < share

    low, high = -1, 0  # the largest number known to be too few, and the one to try
    while is_short(high) and high < layers and may_go_on():
        low, high = high, min(max(2 * high, 1), layers)
    while tried[high].least >= share and high - low > 1 and may_go_on():
        middle = (low + high) // 2
        low, high = (low, middle) if kept_by(middle).chosen_on >= share else (middle, high)
    good = [one for one in tried.values() if one.least >= share]
    best = min(good, key=lambda one: one.in_floats) if good else max(tried.values(), key=_worth)
    return Outcome(share, best, tuple(tried.values()), stopped, round(clock() - begun, 1))


def _worth(one: Candidate) -> tuple[float, int]:
    kept = one.kept.chosen_on + one.kept.checked_on
    return (-math.inf if math.isnan(kept) else kept, -one.in_floats)
