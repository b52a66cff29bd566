"""Made-up rounds of a timing, as their files hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.timing.cell_turns import STAGES
from ssdbench.timing.round_file import add_turn, empty_turns


def turns(network: Sequence[Sequence[float]], waited: float = 0.0) -> dict[str, Any]:
    """A cell's turns, one in each cycle, with the ms that its network took in each query.

    Decode and preprocess take half of that each, the postprocessing nothing. waited: ms of a query's network.
    """
    made = empty_turns()
    for cycle, times in enumerate(network):
        halves = [ms / 2 for ms in times]
        taken = dict(zip(STAGES, (halves, halves, list(times), [0.0] * len(times)), strict=True))
        waits = dict.fromkeys(STAGES, 0.0) | {"network": waited}
        turn = {"started": float(cycle), "seconds": 2 * sum(times) / 1e3, "samples_ms": taken, "waited_ms": waits}
        add_turn(made, cycle, turn)
    return made


def timed_cell(network: Sequence[Sequence[float]], waited: float = 0.0, **changes: Any) -> dict[str, Any]:
    """A cell that took its turns."""
    runtime = {"version": "1.0", "cores_used": 1.0, "threads_seen": 1, "threads_at_work": 1}
    return {
        "status": "ok",
        "reason": "",
        "log": "logs/round.log",
        "import_ms": 100.0,
        "load_ms": 10.0,
        "first_call_ms": 5.0,
        "warmup_queries": 9,
        "peak_rss_mb": 100.0,
        "runtime": runtime | changes.pop("runtime", {}),
        "versions": {"onnxruntime": "1.0"},
        "code_sha256": "ab",
        "turns": turns(network, waited),
    } | changes


def broken_cell(reason: str = "it crashed", status: str = "failed") -> dict[str, Any]:
    """A cell without turns."""
    return {"status": status, "reason": reason, "log": "logs/round.log", "log_tail": ["the end"]}


def a_round(number: int, cells: Mapping[str, Mapping[str, Any]], **changes: Any) -> dict[str, Any]:
    """A quiet round on four cores with these cells."""
    cycles = max((len(cell["turns"]["cycle"]) for cell in cells.values() if "turns" in cell), default=0)
    load = {"load_average": 1.0, "own_cores": 1.0, "other_cores": 0.01, "steal_cores": 0.0}
    return {
        "setting": "b1-t1-s1",
        "round": number,
        "batch": 1,
        "threads": 1,
        "streams": 1,
        "status": "ok",
        "reason": "",
        "log": f"logs/round{number}.log",
        "is_needed": True,
        "images": 64,
        "host": {"cpu": "Example", "cores": 4, "cores_available": 4} | changes.pop("host", {}),
        "started": "2026-01-01T00:00:00+00:00",
        "cores": [3],
        "cycles": cycles,
        "seconds": 10.0,
        "groups": 1,
        "is_enough": True,
        "workload_ms": [4.0] * cycles,
        "load": load | changes.pop("load", {}),
        "cells": dict(cells),
    } | changes
