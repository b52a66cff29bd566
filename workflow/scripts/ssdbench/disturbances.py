"""What speaks against a timing: what disturbed its rounds, each with a figure and a limit, and drift between them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ssdbench.timing import QUERIES_NEEDED, percentiles

_LOG = logging.getLogger(__name__)

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

# By how much the reference workload may change: six frames of three quiet rounds lay up to 5 % apart. Once the machine
# turned slower by itself: it took 13 % longer then, and the network 10 %.
_FRAMES = 0.06

# By how much the medians of the rounds may lie apart: up to 3 % in three quiet rounds, 6 % over an hour.
_MEDIANS = 0.08

# More than this above the threads asked for is a pool of another size, not bookkeeping.
_CORES_TOLERANCE = 0.2

# Before a disturbed round is measured again: short work of others can end.
_PAUSE_SECONDS = 3.0

Measured = dict[str, Any]


def disturbances(measured: Mapping[str, Any]) -> list[str]:
    """What disturbed a round, as far as the round itself can tell: a sentence for each, none where it was quiet.

    measured: a round that is `ok`, or an attempt at one.
    """
    load = measured["load"]
    said = []
    if load["other_cores"] > min(_OTHER_SHARE * measured["host"]["cores"], _OTHER_MOST):
        said.append(f"other work kept {load['other_cores']:.2f} cores busy while this was timed")
    if (held_up := _held_up(measured)) > _HELD_UP:
        said.append(f"its threads were ready but without a core for {_percent(held_up)} of the time")
    if load["steal_cores"] > _STEAL:
        said.append(f"the hypervisor took away {load['steal_cores']:.2f} cores while this was timed")
    if load.get("throttled_cores", 0.0) > _THROTTLED:
        said.append(f"the container's CPU limit held back {load['throttled_cores']:.2f} cores while this was timed")
    if load.get("heat_throttles", 0):
        said.append(
            f"the processor slowed itself for heat while this was timed (counted {load['heat_throttles']:g} times)"
        )
    before, after = (measured["reference_ms"][when] for when in ("before", "after"))
    if max(before, after) > (1 + _FRAMES) * min(before, after):
        slower, other = ("after", "before") if after > before else ("before", "after")
        said.append(f"the reference workload took {_longer(before, after)} longer {slower} the timing than {other}")
    return said


def measure_undisturbed(
    measure: Callable[[], Measured], most: int, pause: Callable[[float], None] = time.sleep
) -> Measured:
    """Measure a round, and where it was disturbed measure it anew after a pause, at most `most` times in all.

    Returns:
        the first undisturbed measurement, else the last, with its `disturbances`, and `attempts`: what disturbed
        each of them and its median, [{disturbances, latency_p50_ms}].
    """
    attempts: list[dict[str, Any]] = []
    while True:
        measured = measure()
        found = disturbances(measured)
        median = percentiles(measured["samples_ms"]["network"])["p50"]
        attempts.append({"disturbances": found, "latency_p50_ms": median})
        level = logging.WARNING if found else logging.INFO
        _LOG.log(level, "Attempt %d, median %g ms: %s.", len(attempts), median, "; ".join(found) or "undisturbed")
        if not found or len(attempts) >= most:
            return {**measured, "disturbances": found, "attempts": attempts}
        _LOG.warning("Measuring again in %g s.", _PAUSE_SECONDS)
        pause(_PAUSE_SECONDS)


def doubts(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the timing of these rounds cannot be trusted; empty where nothing speaks against it."""
    reasons = []
    for r in rounds:
        if r["status"] != "ok":
            reasons.append(f"round {r['round']} {r['status']}: {r['reason']}")
        elif said := [*r["disturbances"], *_not_as_asked(r)]:
            reasons.append(f"round {r['round']}: {', '.join(said)}")
    return reasons + _drift([r for r in rounds if r["status"] == "ok"])


def _not_as_asked(done: Mapping[str, Any]) -> list[str]:
    """What is wrong with a round itself, and would be again."""
    threads = done["threads"] * done["streams"]
    runtime, available = done["runtime"], _available_cores(done)
    said = []
    if runtime["cores_used"] > threads + _CORES_TOLERANCE:
        said.append(f"{runtime['cores_used']:g} cores at work where {threads} were asked for")
    if available < threads:
        said.append(f"{threads} threads on {available:g} available cores")
    # A small graph may leave some of a stream's threads without work, but not all but one.
    if runtime["threads_at_work"] < done["streams"] * min(done["threads"], 2):
        at_work = runtime["threads_at_work"]
        said.append(f"{at_work} {'thread' if at_work == 1 else 'threads'} at work where {threads} were asked for")
    if done["queries"] < QUERIES_NEEDED["p90"]:
        said.append(f"{done['queries']} queries, {QUERIES_NEEDED['p90']} are needed")
    return said


def _drift(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """How far the machine and the latency moved between rounds that nothing else disturbed."""
    calm = [r for r in rounds if not r["disturbances"]]
    if not calm:
        return []
    said = []
    quietest = min(min(r["reference_ms"].values()) for r in rounds)
    for r in calm:
        slowest = max(r["reference_ms"].values())
        if slowest > (1 + _FRAMES) * quietest:
            said.append(
                f"round {r['round']}: the machine was slower, the reference workload took "
                f"{_longer(quietest, slowest)} longer than at its quietest"
            )
    medians = [percentiles(r["samples_ms"]["network"])["p50"] for r in calm]
    low, high = min(medians), max(medians)
    if high > (1 + _MEDIANS) * low:
        said.append(f"the medians of the rounds lie {_longer(low, high)} apart, from {low:.3g} to {high:.3g} ms")
    return said


def _held_up(done: Mapping[str, Any]) -> float:
    """Of the time of the threads asked for, the share that they were ready and had no core; 0 where unknown.

    Only as far as they were not at work: TensorFlow hands a call from thread to thread, of which one may wait while
    the other works, and that costs nothing. More threads than cores wait for each other: there other work is
    to blame only for as long as it went on.
    """
    load, threads = done["load"], done["threads"] * done["streams"]
    held_up = min(load.get("waiting_cores", 0.0), max(0.0, threads - load["own_cores"]))
    if done["runtime"]["threads_at_work"] > _available_cores(done):
        held_up = min(held_up, load["other_cores"])
    return float(held_up / threads)


def _available_cores(done: Mapping[str, Any]) -> float:
    host = done["host"]
    return float(min(host["cores_available"], host.get("cpu_limit", math.inf)))


def _longer(one: float, another: float) -> str:
    low, high = sorted((one, another))
    return _percent(high / low - 1)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
