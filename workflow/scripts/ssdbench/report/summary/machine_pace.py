"""How fast the machine was while each cell was timed: latencies compare where its pace was the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# By how much the reference workload may differ between timings that are compared. On a quiet machine 1 % was seen;
# a shared one was 25 % slower for an hour, and so were the networks.
MOST_APART = 0.05


def judge_pace(rows: Sequence[dict[str, Any]], reference_ms: Mapping[str, float]) -> None:
    """Take back the valid timing of cells that were timed while their machine was slower than beside others.

    Args:
        rows: summary rows; `timing_valid` and `timing_reason` of the slow ones are set.
        reference_ms: the reference workload's median while each cell was timed, by cell id, where it is known.
    """
    fastest: dict[tuple[str, ...], float] = {}
    for row in rows:
        if row["timing_valid"] and row["id"] in reference_ms:
            machine = tuple(row["timed_on"])
            fastest[machine] = min(fastest.get(machine, float("inf")), reference_ms[row["id"]])
    for row in rows:
        if row["timing_valid"] and row["id"] in reference_ms:
            slower = reference_ms[row["id"]] / fastest[tuple(row["timed_on"])] - 1
            if slower > MOST_APART:
                row["timing_valid"] = False
                row["timing_reason"] = (
                    f"the machine was slower than beside other cells: the reference workload took {100 * slower:.0f} % "
                    "longer"
                )
