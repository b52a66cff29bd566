"""A round is timed in stretches, some queries in a row between two frames of the reference workload.

Other work comes and goes within tenths of a second, on a virtual machine unseen but for what it does to the reference
workload: a neighbour on the other half of the core makes that take half as long again. So each stretch is judged
by itself, and a round's figures are those of its undisturbed stretches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Stretch:
    """Some queries in a row.

    queries: how many each stream made. seconds: the time they took, the mean over streams. reference_ms: of the
    reference workload right before and right after. load: what went on meanwhile (`load_between`).
    """

    queries: tuple[int, ...]
    seconds: float
    reference_ms: tuple[float, float]
    load: Mapping[str, float]


def lasts(stretches: Sequence[Stretch], seconds: float, queries: float) -> bool:
    """Whether stretches come to so much time and so many queries together."""
    return sum(s.seconds for s in stretches) >= seconds and sum(sum(s.queries) for s in stretches) >= queries


def as_records(stretches: Sequence[Stretch], disturbances: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """The stretches as a round file holds them, each with what disturbed it."""
    return [
        {
            "queries": list(stretch.queries),
            "seconds": round(stretch.seconds, 4),
            "reference_ms": list(stretch.reference_ms),
            "load": dict(stretch.load),
            "disturbances": dict(found),
        }
        for stretch, found in zip(stretches, disturbances, strict=True)
    ]


def used(done: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The stretches that a round's figures come from: its undisturbed ones, or all where those are too few."""
    return [stretch for stretch in done["stretches"] if _is_used(done, stretch)]


def used_samples(done: Mapping[str, Any]) -> dict[str, list[float]]:
    """The times in ms of each stage in the stretches used."""
    taken = [is_used for s in done["stretches"] for is_used in [_is_used(done, s)] * sum(s["queries"])]
    return {
        stage: [ms for ms, is_taken in zip(samples, taken, strict=True) if is_taken]
        for stage, samples in done["samples_ms"].items()
    }


def _is_used(done: Mapping[str, Any], stretch: Mapping[str, Any]) -> bool:
    return not (done["is_undisturbed"] and stretch["disturbances"])


def seconds_of(stretches: Sequence[Mapping[str, Any]]) -> float:
    """The time of stretches together."""
    return float(sum(s["seconds"] for s in stretches))


def pace_ms(done: Mapping[str, Any]) -> float:
    """The reference workload's median time in the frames of the stretches used."""
    return float(median(ms for s in used(done) for ms in s["reference_ms"]))
