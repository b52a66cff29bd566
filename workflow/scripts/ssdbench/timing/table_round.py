"""One round of a timing: the cells of a table, each in a process of its own, take turns in random order.

All share the same cores and the same seconds, so what disturbs one of them disturbs them all.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from math import ceil
from statistics import median
from typing import Any

from ssdbench.errors import UserError
from ssdbench.jobs.limited_process import LimitedChild, Limits, OverLimit
from ssdbench.jobs.progress import Progress
from ssdbench.machine.counters import load_between, read_counters
from ssdbench.timing.cell_turns import STAGES, CellWork, Queries, serve
from ssdbench.timing.percentiles import QUERIES_NEEDED
from ssdbench.timing.reference_workload import serve_workload
from ssdbench.timing.round_file import Record, RoundTurns, add_turn, empty_turns, speeds

_LOG = logging.getLogger(__name__)

# The counted queries of a turn take about this long: short beside most of what disturbs a machine.
_TURN_MS = 24.0
# The cell runs unmeasured for at least this long before them. What others left in the core's caches slows its first
# queries, and a fast network most: after one query OpenVINO's int8 was still 12 % slower than in a loop without a pause
# and its fp32 6 %; after 24 ms 5 and 3 %.
_SETTLING_MS = 24.0
# If streams end a turn one after the other, the last ones have the machine for themselves: so this many more queries.
_STREAM_QUERIES = 4
# Blocks of cycles are drawn again and again for the interval: from fewer cycles it says little.
_LEAST_CYCLES = 24
# Even if the time is over: some cycles tell more than none.
_FEWEST_CYCLES = 8
# At least two rounds run, so together they carry the p90 of the slowest cell.
_LEAST_QUERIES = QUERIES_NEEDED["p90"] // 2
_CYCLES_BETWEEN_LOOKS = 6
# The reference workload runs before every fourth turn, so that a short disturbance does not speak for a whole cycle.
_TURNS_BETWEEN_WORKLOADS = 4
# Of the memory there is, sessions may fill this share: a network needs some more while it runs.
_MEMORY_SHARE = 0.9
# Of the seconds of the job, one answer may take this share, so that a cell that hangs leaves time for the others.
_LOAD_SHARE, _TURN_SHARE = 0.25, 0.05
# The stage whose speeds decide when a round knows enough.
_DECISIVE = "network"


@dataclass(frozen=True)
class RoundPlan:
    """How long a round goes on, and within which limits.

    seconds: most of the turns of each cell, on average. width: relative width of an interval of speed that is enough.
    cores: that all cells run on. limits: of each cell's process. memory_mb: that all of them may take together.
    """

    seconds: float
    width: float
    cores: tuple[int, ...]
    limits: Limits
    memory_mb: float
    seed: int = 0


@dataclass
class _Member:
    """A cell in its process, and what it has said so far."""

    name: str
    child: LimitedChild
    streams: int = 1
    queries: Queries = field(default_factory=lambda: Queries(1, 1))
    said: dict[str, Any] = field(default_factory=dict)
    turns: dict[str, Any] = field(default_factory=empty_turns)


@dataclass
class _Round:
    """What has been measured so far."""

    cells: dict[str, dict[str, Any]] = field(default_factory=dict)
    workload_ms: list[float] = field(default_factory=list)
    cycles: int = 0
    groups: int = 0
    seconds: float = 0.0
    is_enough: bool = True


def time_table(
    cells: Mapping[str, CellWork],
    streams: int,
    earlier: Sequence[RoundTurns],
    plan: RoundPlan,
) -> dict[str, Any]:
    """Let the cells of a table take turns until their speeds are known well enough, or the time is over.

    Args:
        cells: what each does in its process, by name; the first is the reference.
        streams: of each cell.
        earlier: the turns of earlier rounds: they count when it is asked whether the speeds are known.
        plan: how long, and within which limits.

    Returns:
        {started, cores, cycles, seconds, groups, is_enough, workload_ms: [for each cycle the median run of the
        reference workload], load, cells: {name: {status, reason, and of one that was timed import_ms, load_ms,
        first_call_ms, warmup_queries, peak_rss_mb, runtime, facts and turns}}}. A cell that fails says why, and the
        others go on. If memory does not hold all sessions, cells are timed in groups, each with the reference.

    Raises:
        OverLimit: a cell went over its limits, and the job will be started again with more.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    found, waiting, shuffle = _Round(), list(cells), random.Random(plan.seed)  # noqa: S311 - an order, not a secret
    before, spent = read_counters(), 0.0
    anchor: str | None = None
    while waiting:
        names = [anchor, *waiting] if anchor else waiting
        with ExitStack() as stack:
            members = _load(names, cells, streams, plan, found, stack)
            for name in (name for name in names if name in found.cells):
                waiting = [one for one in waiting if one != name]
            if members:
                workload = LimitedChild(partial(serve_workload, plan.cores), plan.limits, "The reference workload")
                stack.callback(workload.end)
                _take_turns(members, workload, found, earlier, plan, shuffle)
                spent += sum(member.child.cpu_seconds() for member in members) + workload.cpu_seconds()
                _finish(members, found, plan)
            timed = [member.name for member in members]
            waiting = [name for name in waiting if name not in timed]
            anchor = anchor or next((name for name in timed if found.cells[name]["status"] == "ok"), None)
    after = read_counters()
    return {
        "started": started,
        "cores": list(plan.cores),
        "cycles": found.cycles,
        "seconds": round(found.seconds, 3),
        "groups": found.groups,
        "is_enough": found.is_enough,
        "workload_ms": found.workload_ms,
        "load": load_between(before, after, spent),
        "cells": {name: found.cells[name] for name in cells},
    }


def _load(
    names: Sequence[str],
    cells: Mapping[str, CellWork],
    streams: int,
    plan: RoundPlan,
    found: _Round,
    stack: ExitStack,
) -> list[_Member]:
    """Load cells one after another, as many as memory holds; while one warms up the next is loaded on other cores."""
    members: list[_Member] = []
    ready: dict[str, _Member] = {}
    for place, name in enumerate(names):
        for following in names[place : place + 2]:
            if following not in ready:
                child = LimitedChild(partial(serve, cells[following]), plan.limits, f"The timing of {following}")
                stack.callback(child.end)
                ready[following] = _Member(following, child, streams)
        member = ready[name]
        try:
            _open(member, plan)
        except OverLimit as error:
            if len(members) > 1:  # it did not fit beside the others: it comes in the next group
                _LOG.warning("%s Cells that are not loaded yet are timed in another group.", error)
                break
            _fail(member, error, plan, found)
            continue
        except UserError as error:
            _fail(member, error, plan, found)
            continue
        taken = sum(one.child.resident_mb() for one in (*members, member))
        if taken > _MEMORY_SHARE * plan.memory_mb and len(members) > 1:
            _LOG.info("%.0f MB are taken: %s and those after it are timed in another group.", taken, name)
            break
        members.append(member)
    loaded = [member.name for member in members]
    for name, member in ready.items():
        if name not in loaded:
            member.child.end()
    return members


def _open(member: _Member, plan: RoundPlan) -> None:
    seconds = _LOAD_SHARE * plan.limits.seconds
    member.said |= member.child.receive(seconds)
    member.child.send("warm up")
    member.said |= member.child.receive(seconds)
    member.queries = queries_of_turn(max(member.said.pop("query_ms"), 0.01), member.streams)


def queries_of_turn(query_ms: float, streams: int) -> Queries:
    """What each stream of a cell does in a turn. query_ms: that a query takes while it has a core."""
    least = 1 if streams == 1 else _STREAM_QUERIES
    return Queries(ceil(_SETTLING_MS / query_ms), max(least, round(_TURN_MS / query_ms)))


def _fail(member: _Member, error: UserError, plan: RoundPlan, found: _Round) -> None:
    """Record a cell's failure, unless its job will be started again with more memory and time."""
    member.child.end()
    if isinstance(error, OverLimit) and plan.limits.attempts_left > 0:
        raise error
    _LOG.error("%s failed: %s", member.name, error)
    found.cells[member.name] = {"status": "failed", "reason": str(error)}


def _take_turns(
    members: list[_Member],
    workload: LimitedChild,
    found: _Round,
    earlier: Sequence[RoundTurns],
    plan: RoundPlan,
    shuffle: random.Random,
) -> None:
    """Go through cycles; members that fail leave the list."""
    progress = Progress("cycles of turns", None, "cycles")
    begin, first = time.perf_counter(), found.cycles
    limit = plan.seconds * len(members)
    found.groups += 1
    is_enough = False
    while members:
        cycle, workload_ms = found.cycles, []
        for place, member in enumerate(shuffle.sample(members, len(members))):
            if place % _TURNS_BETWEEN_WORKLOADS == 0:
                workload.send("turn")
                workload_ms.append(workload.receive())
            try:
                member.child.send(member.queries)
                add_turn(member.turns, cycle, member.child.receive(_TURN_SHARE * plan.limits.seconds))
                if cycle % _CYCLES_BETWEEN_LOOKS == 0:
                    member.child.check_memory()
            except UserError as error:
                _fail(member, error, plan, found)
                members.remove(member)
        found.cycles += 1
        found.workload_ms.append(median(workload_ms))
        progress.advance()
        done, elapsed = found.cycles - first, time.perf_counter() - begin
        if done % _CYCLES_BETWEEN_LOOKS == 0 and done >= _LEAST_CYCLES:
            is_enough = _knows_enough(members, found.workload_ms, earlier, plan.width)
        if is_enough or (elapsed >= limit and done >= _FEWEST_CYCLES):
            break
    progress.close()
    found.seconds += time.perf_counter() - begin
    found.is_enough &= is_enough
    _LOG.info(
        "%d cells took %d turns each in %.1f s: their speeds are %s.",
        len(members),
        found.cycles - first,
        time.perf_counter() - begin,
        "known well enough" if is_enough else "not known as well as was wished",
    )


def _knows_enough(
    members: Sequence[_Member], workload_ms: Sequence[float], earlier: Sequence[RoundTurns], width: float
) -> bool:
    """Whether all speeds of a group are known; those of a cell alone never are, so it takes its whole time."""
    if len(members) < 2 or any(sum(member.turns["queries"]) < _LEAST_QUERIES for member in members):
        return False
    own = RoundTurns({member.name: member.turns for member in members}, workload_ms)
    return are_known([*earlier, own], list(own.cells), width)


def are_known(rounds: Sequence[RoundTurns], names: Sequence[str], width: float) -> bool:
    """Whether the speeds of these cells, relative to the first, have intervals that are narrow enough."""
    found = speeds(rounds, names[0], _DECISIVE)
    return len(names) > 1 and all(name in found and found[name].width <= width for name in names[1:])


def _finish(members: list[_Member], found: _Round, plan: RoundPlan) -> None:
    """Take down what each member measured; the reference, which is in several groups, keeps all its turns."""
    for member in members:
        try:
            member.child.send("end")
            said = member.said | member.child.receive(_LOAD_SHARE * plan.limits.seconds)
        except UserError as error:
            _fail(member, error, plan, found)
            continue
        said["runtime"] = said["runtime"] | member.said["runtime"]
        record = {"status": "ok", "reason": "", **said, "turns": member.turns}
        if (known := found.cells.get(member.name)) and known["status"] == "ok":
            record = known | {"turns": _joined(known["turns"], member.turns)}
        found.cells[member.name] = record


def _joined(one: Record, other: Record) -> dict[str, Any]:
    lists = {name: [*one[name], *other[name]] for name in ("cycle", "started_s", "queries", "seconds")}
    by_stage = {
        name: {stage: [*one[name][stage], *other[name][stage]] for stage in STAGES}
        for name in ("waited_ms", "samples_ms")
    }
    return {**lists, **by_stage}
