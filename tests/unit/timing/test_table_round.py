"""A round in real processes: who takes turns, and what becomes of a cell that cannot."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.errors import UserError
from ssdbench.jobs.limited_process import Limits, OverLimit
from ssdbench.timing.cell_turns import STAGES, CellTurns, CellWork, Queries
from ssdbench.timing.round_file import turns_of
from ssdbench.timing.table_round import RoundPlan, queries_of_turn, time_table
from support.made_up_cells import cell

FREE = Limits(memory_mb=None, seconds=600)


def timed(
    cells: dict[str, CellWork], streams: int = 1, earlier: list[dict[str, Any]] | None = None, **plan: Any
) -> dict[str, Any]:
    options = {"seconds": 0.05, "width": 1e-9, "cores": (), "limits": FREE, "memory_mb": 1e9} | plan
    return time_table(cells, streams, [turns_of(one) for one in earlier or []], RoundPlan(**options))


def test_each_cell_takes_one_turn_in_each_cycle_and_every_counted_query_is_sampled_in_every_stage() -> None:
    done = timed({"a": cell(), "b": cell(40), "c": cell(60)})
    json.dumps(done, allow_nan=False)
    assert list(done["cells"]) == ["a", "b", "c"]
    assert done["cycles"] >= 8
    assert len(done["workload_ms"]) == done["cycles"]
    for one in done["cells"].values():
        turns = one["turns"]
        assert one["status"] == "ok"
        assert turns["cycle"] == list(range(done["cycles"]))
        assert {len(turns["samples_ms"][stage]) for stage in STAGES} == {sum(turns["queries"])}
        assert {len(turns["waited_ms"][stage]) for stage in STAGES} == {done["cycles"]}
        assert all(ms >= 0 for stage in STAGES for ms in turns["samples_ms"][stage])
        assert one["runtime"]["runtime"] == "working"
        assert one["first_call_ms"] > 0


def test_the_unmeasured_queries_of_a_turn_are_made_and_leave_no_sample() -> None:
    calls: list[int] = []
    work = cell(trouble=calls.append)
    turns = CellTurns(work.prepare()(), work)
    with ThreadPoolExecutor(1) as pool:
        turn = turns.take(pool, Queries(unmeasured=3, counted=2))
    assert len(calls) == 5
    assert {len(turn.samples_ms[stage]) for stage in STAGES} == {2}


@given(st.floats(0.01, 1e4), st.integers(1, 4))
def test_a_cell_runs_unmeasured_for_about_as_long_as_its_turn_counts(query_ms: float, streams: int) -> None:
    queries = queries_of_turn(query_ms, streams)
    assert queries.unmeasured >= 1 and queries.counted >= 1
    assert queries.unmeasured * query_ms >= 0.99 * min(queries.counted * query_ms, 24)


def test_the_order_of_turns_changes_from_cycle_to_cycle() -> None:
    done = timed({"a": cell(), "b": cell(), "c": cell()})
    starts = np.array([one["turns"]["started_s"] for one in done["cells"].values()])
    assert len({tuple(order) for order in np.argsort(starts, axis=0).T}) > 1


def test_streams_take_their_turn_side_by_side() -> None:
    done = timed({"a": cell(streams=2), "b": cell(streams=2)}, streams=2)
    counts = done["cells"]["a"]["turns"]["queries"]
    assert all(count % 2 == 0 and count >= 8 for count in counts)


def killed(call: int) -> None:
    if call == 40:
        os.kill(os.getpid(), signal.SIGKILL)


def hanging(call: int) -> None:
    if call == 40:
        time.sleep(600)


def broken() -> None:
    raise UserError("The model file x is missing.")


def test_a_cell_that_dies_hangs_or_cannot_be_loaded_fails_alone() -> None:
    cells = {
        "a": cell(),
        "dies": cell(trouble=killed),
        "hangs": cell(trouble=hanging),
        "broken": cell(load=broken),
        "b": cell(),
    }
    done = timed(cells, limits=Limits(memory_mb=None, seconds=30))
    statuses = {name: one["status"] for name, one in done["cells"].items()}
    assert statuses == {"a": "ok", "dies": "failed", "hangs": "failed", "broken": "failed", "b": "ok"}
    reasons = {name: one["reason"] for name, one in done["cells"].items()}
    assert "The timing of dies ended without a result: killed by signal 9." in reasons["dies"]
    assert "The timing of hangs took longer than its limit of " in reasons["hangs"]
    assert reasons["broken"] == "The model file x is missing."
    assert len(done["cells"]["b"]["turns"]["cycle"]) == done["cycles"]


def test_a_cell_over_its_memory_fails_alone_and_its_job_is_started_again_while_attempts_are_left() -> None:
    hoard: list[bytearray] = []

    def load() -> None:
        hoard.append(bytearray(b"x" * (600 << 20)))
        time.sleep(1)

    cells = {"a": cell(), "large": cell(load=load), "b": cell()}
    limit = (
        round(psutil.Process().memory_info().rss / 2**20) + 300
    )  # cells are forked, and begin with what this one has
    done = timed(cells, limits=Limits(memory_mb=limit, seconds=600))
    assert {name: one["status"] for name, one in done["cells"].items()} == {"a": "ok", "large": "failed", "b": "ok"}
    assert f"more than its limit of {limit} MB" in done["cells"]["large"]["reason"]
    with pytest.raises(OverLimit):
        timed(cells, limits=Limits(memory_mb=limit, seconds=600, attempts_left=1))


def test_where_memory_does_not_hold_all_sessions_each_group_has_the_reference() -> None:
    done = timed({name: cell() for name in "abcd"}, memory_mb=1.0)
    assert done["groups"] == 3  # two sessions are always held
    cycles = {name: set(one["turns"]["cycle"]) for name, one in done["cells"].items()}
    assert cycles["a"] == set(range(done["cycles"]))
    assert not cycles["b"] & cycles["c"] and not cycles["c"] & cycles["d"]
    assert cycles["b"] | cycles["c"] | cycles["d"] == cycles["a"]


def test_a_round_ends_when_its_own_and_the_earlier_cycles_know_enough() -> None:
    first = timed({"a": cell(), "b": cell(40)}, width=5.0, seconds=60)
    assert first["is_enough"]
    assert not timed({"a": cell(), "b": cell(40)}, width=1e-9, earlier=[first])["is_enough"]
    assert timed({"a": cell(), "b": cell(40)}, width=5.0, seconds=60, earlier=[first])["is_enough"]


def test_a_cell_alone_takes_its_time() -> None:
    done = timed({"a": cell()})
    assert done["cells"]["a"]["status"] == "ok"
    assert done["groups"] == 1
