"""What speaks against a timing: what disturbed its stretches, each with a figure and a limit, and drift of rounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ssdbench.timing.percentiles import percentiles
from ssdbench.timing.stretches import Stretch, pace_ms, seconds_of, used_samples

# The limits lie between what was seen in quiet rounds and in disturbed ones: some 200 rounds of five cells in fresh
# processes, on two cores of a virtual machine, beside nothing, busy loops and copying of memory.

# Cores of other work: this share of the machine's, and never more than so many. A quiet machine has 0.00 to 0.02, with
# Snakemake beside it. Of two cores, up to 0.41 left the medians of one thread within 2 %, and one cost up to 10 %: that
# other work has caches, memory and clock in common with what is timed, even where it leaves it a core.
_OTHER_SHARE, _OTHER_MOST = 0.25, 1.0

# Share of the time without a core. Quiet rounds have up to 0.006; at 0.02 the slowest tenth of the queries takes a
# tenth longer, from 0.03 to 0.09 a quarter, and the median up to 5 %.
_HELD_UP = 0.02

# Cores taken away by the hypervisor. Quiet rounds have 0.000, those beside other work up to 0.03; 0.05 is half of the
# slowest tenth that p90 leaves out. (Not measured: this hypervisor took no more.)
_STEAL = 0.05

# Cores held back by the container. Without need of a limit it is exactly 0; one thread under a limit of 0.7 has 0.22.
_THROTTLED = 0.01

# By how much the reference workload may be above its quickest, and its median in a round above that of another round.
# Quiet frames lie up to 4 % above the quickest. Where a neighbour came and went on the other half of the core (it takes
# half as long again then, and nothing else tells), 44 rounds of two cells of 13 ms had medians from 12.1 to 18.7 ms and
# p90 from 13.0 to 21.6 over all queries; of those between frames within this limit, 12.1 to 14.1 and 12.8 to 16.9.
_SLOWER = 0.06

# By how much the medians of the rounds may lie apart: up to 3 % in three quiet rounds, 6 % over an hour.
_MEDIANS = 0.08

# More than this above the threads asked for is a pool of another size, not bookkeeping.
_CORES_TOLERANCE = 0.2

_SENTENCES = {
    "other": "other work kept {:.2f} cores busy",
    "held_up": "its threads were ready but without a core for {:.0%} of the time",
    "steal": "the hypervisor took away {:.2f} cores",
    "throttled": "the container's CPU limit held back {:.2f} cores",
    "heat": "the processor slowed itself for heat, {:g} times",
    "slower": "the reference workload took {:.0%} longer than at its quickest",
}


@dataclass(frozen=True)
class Machine:
    """The cores a timing runs on and its threads.

    cores: of the machine. available: those that this process may use. threads: asked for, of all streams together.
    at_work: those that really work.
    """

    cores: int
    available: float
    threads: int
    at_work: int

    @classmethod
    def of(cls, host: Mapping[str, Any], threads: int, at_work: int) -> Machine:
        """From `host_facts`."""
        available = min(host["cores_available"], host.get("cpu_limit", math.inf))
        return cls(host["cores"], float(available), threads, at_work)


def found_in(stretches: Sequence[Stretch], machine: Machine) -> list[dict[str, float]]:
    """What disturbed each stretch of a round: {kind: figure}, empty where it was quiet.

    A stretch beside which the reference workload was slow is one where it was slower than in the round's best frame.
    """
    quickest = min(ms for stretch in stretches for ms in stretch.reference_ms)
    return [_found(stretch, machine) | _slowness(stretch, quickest) for stretch in stretches]


def in_words(stretches: Sequence[Stretch], found: Sequence[Mapping[str, float]]) -> list[str]:
    """A sentence for each kind of disturbance in a round, the longest first: its median figure, and for how long.

    What lasted less than a tenth as long as the longest is not worth one.
    """
    lasted = {
        kind: [(what[kind], stretch.seconds) for stretch, what in zip(stretches, found, strict=True) if kind in what]
        for kind in _SENTENCES
    }
    seconds = {kind: sum(own for _, own in entries) for kind, entries in lasted.items() if entries}
    return [
        f"{_spaced(_SENTENCES[kind].format(median(figure for figure, _ in lasted[kind])))} for {seconds[kind]:.1f} s"
        for kind in sorted(seconds, key=lambda kind: -seconds[kind])
        if seconds[kind] >= max(seconds.values()) / 10
    ]


def _found(stretch: Stretch, machine: Machine) -> dict[str, float]:
    """By what the kernel counted."""
    load = stretch.load
    figures = {
        "other": (load["other_cores"], min(_OTHER_SHARE * machine.cores, _OTHER_MOST)),
        "held_up": (_held_up(load, machine), _HELD_UP),
        "steal": (load["steal_cores"], _STEAL),
        "throttled": (load.get("throttled_cores", 0.0), _THROTTLED),
        "heat": (load.get("heat_throttles", 0.0), 0.0),
    }
    return {kind: round(figure, 3) for kind, (figure, limit) in figures.items() if figure > limit}


def _slowness(stretch: Stretch, quickest: float) -> dict[str, float]:
    slower = max(stretch.reference_ms) / quickest - 1
    return {"slower": round(slower, 3)} if slower > _SLOWER else {}


def _held_up(load: Mapping[str, float], machine: Machine) -> float:
    """Of the time of the threads asked for, the share that they were ready and had no core; 0 where unknown.

    Only as far as they were not at work: TensorFlow hands a call from thread to thread, of which one may wait while
    the other works, and that costs nothing. More threads than cores wait for each other: there other work is
    to blame only for as long as it went on.
    """
    held_up = min(load.get("waiting_cores", 0.0), max(0.0, machine.threads - load["own_cores"]))
    if machine.at_work > machine.available:
        held_up = min(held_up, load["other_cores"])
    return held_up / machine.threads


def doubts(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the timing of these rounds cannot be trusted; empty where nothing speaks against it."""
    reasons = []
    for r in rounds:
        if r["status"] != "ok":
            reasons.append(f"round {r['round']} {r['status']}: {r['reason']}")
        elif said := [*_too_disturbed(r), *_not_as_asked(r)]:
            reasons.append(f"round {r['round']}: {', '.join(said)}")
    return reasons + _drift([r for r in rounds if r["status"] == "ok"])


def _too_disturbed(done: Mapping[str, Any]) -> list[str]:
    if done["is_undisturbed"]:
        return []
    quiet = [s for s in done["stretches"] if not s["disturbances"]]
    queries = sum(sum(s["queries"]) for s in quiet)
    return [
        f"undisturbed for only {seconds_of(quiet):.1f} of {done['seconds']:.1f} s ({queries} queries)",
        *done["disturbances"],
    ]


def _not_as_asked(done: Mapping[str, Any]) -> list[str]:
    """What is wrong with a round itself, and would be again."""
    threads, runtime = done["threads"] * done["streams"], done["runtime"]
    machine = Machine.of(done["host"], threads, runtime["threads_at_work"])
    said = []
    if runtime["cores_used"] > threads + _CORES_TOLERANCE:
        said.append(f"{runtime['cores_used']:g} cores at work where {threads} were asked for")
    if machine.available < threads:
        said.append(f"{threads} threads on {machine.available:g} available cores")
    # A small graph may leave some of a stream's threads without work, but not all but one.
    if machine.at_work < done["streams"] * min(done["threads"], 2):
        at_work = f"{machine.at_work} {'thread' if machine.at_work == 1 else 'threads'}"
        said.append(f"{at_work} at work where {threads} were asked for")
    return said


def _drift(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """How far the machine and the latency moved between rounds that nothing else disturbed."""
    calm = [r for r in rounds if r["is_undisturbed"]]
    if not calm:
        return []
    said = []
    paces = [pace_ms(r) for r in calm]
    for r, pace in zip(calm, paces, strict=True):
        if pace > (1 + _SLOWER) * min(paces):
            said.append(
                f"round {r['round']}: the machine was slower, the reference workload took "
                f"{_longer(min(paces), pace)} longer than in its quickest round"
            )
    medians = [percentiles(used_samples(r)["network"])["p50"] for r in calm]
    low, high = min(medians), max(medians)
    if high > (1 + _MEDIANS) * low:
        said.append(f"the medians of the rounds lie {_longer(low, high)} apart, from {low:.3g} to {high:.3g} ms")
    return said


def _longer(one: float, another: float) -> str:
    return _spaced(f"{another / one - 1:.0%}")


def _spaced(percentage: str) -> str:
    return percentage.replace("%", " %")
