"""The Pareto line: the cells that no other cell beats in both accuracy and speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.summary.findings import comparable_timings

Row = Mapping[str, Any]


def series_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of each framework's colour and shape, in order of appearance."""
    return {name: number for number, name in enumerate(dict.fromkeys(row["framework"] for row in rows))}


def pareto(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other beats in both AP and speed, from the fastest to the most accurate.

    Rows without AP or speed, or whose timing is not valid, have no part in it. Of rows with the same speed the most
    accurate is given, of equal rows the first.
    """
    best: list[Row] = []
    scored = comparable_timings([row for row in rows if row["AP"] is not None])
    for row in sorted(scored, key=lambda row: (-row["speed"], -row["AP"])):
        if not best or row["AP"] > best[-1]["AP"]:
            best.append(row)
    return best
