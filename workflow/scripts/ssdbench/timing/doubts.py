"""What is wrong with a timing itself, and would be wrong on a quiet machine too."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ssdbench.timing.machine_state import waited_share
from ssdbench.timing.speeds import Speed

Record = Mapping[str, Any]

# More than this above the threads asked for is a pool of another size, not bookkeeping.
_CORES_TOLERANCE = 0.2
# A cell that waited for a core for this much more of its turns than the others did was not treated as they were.
_STARVED = 0.25
# An interval wider than this says little more than which cell is faster.
WIDEST = 0.25


def doubts(name: str, rounds: Sequence[Record], speed: Speed | None) -> list[str]:
    """Why a cell's timing cannot be trusted; empty if nothing speaks against it.

    Args:
        name: of the cell. rounds: those that were measured, as their files hold them; it may have failed in some.
        speed: of its network, where it has one.
    """
    said = []
    for one in rounds:
        cell = one["cells"].get(name)
        if cell is None:
            continue
        if cell["status"] != "ok":
            said.append(f"round {one['round']} {cell['status']}: {cell['reason']}")
        elif wrong := [*_not_as_asked(one, cell), *_starved(name, one)]:
            said.append(f"round {one['round']}: {', '.join(wrong)}")
    if speed is not None and speed.width > WIDEST:
        said.append(
            f"the 95 % interval of the speed is {100 * speed.width:.0f} % wide, and more than {100 * WIDEST:.0f} % "
            "says too little: time it again, with more rounds or beside less other work"
        )
    return said


def _not_as_asked(one: Record, cell: Record) -> list[str]:
    """Other threads or cores than asked for."""
    threads, runtime, host = one["threads"] * one["streams"], cell["runtime"], one["host"]
    available = min(host["cores_available"], host.get("cpu_limit", math.inf))
    at_work = runtime["threads_at_work"]
    said = []
    if runtime["cores_used"] > threads + _CORES_TOLERANCE:
        said.append(f"{runtime['cores_used']:g} cores at work where {threads} were asked for")
    if available < threads:
        said.append(f"{threads} threads on {available:g} available cores")
    # A small graph may leave some of a stream's threads without work, but not all but one.
    if at_work < one["streams"] * min(one["threads"], 2):
        words = f"{at_work} {'thread' if at_work == 1 else 'threads'}"
        said.append(f"{words} at work where {threads} were asked for")
    return said


def _starved(name: str, one: Record) -> list[str]:
    shares = {key: waited_share(cell["turns"]) for key, cell in one["cells"].items() if cell["status"] == "ok"}
    others = [share for key, share in shares.items() if key != name]
    if not others or shares[name] <= median(others) + _STARVED:
        return []
    words = f"it waited for a core for {shares[name]:.0%} of its turns, the others for {median(others):.0%}"
    return [words.replace("%", " %")]
