"""Which cell to take: the fastest that keeps enough of the reference's AP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.summary.findings import comparable_timings
from ssdbench.report.words import accuracy, cell_name, share, speed_interval, times

Row = Mapping[str, Any]


def best_cell(rows: Sequence[Row], least: float) -> Row | None:
    """The fastest cell of a group of those that keep this share of the reference's AP; None if no speed is known.

    A cell keeps it by its verdict. Where cells have none, as on the sample, its own AP has to; where there is no AP at
    all, every cell counts.
    """
    timed = comparable_timings(rows)
    if any(row["AP"] is not None for row in rows):
        timed = [row for row in timed if _keeps(row, least)]
    return max(timed, key=lambda row: row["speed"], default=None)


def best_sentence(best: Row | None, reference: Row | None, least: float, has_verdicts: bool) -> str:
    """The best cell in a sentence, with the interval of its speed; empty if there is none.

    It says which cell to take only where verdicts carry that; else it says what was measured.
    """
    if best is None:
        return ""
    base = cell_name(reference) if reference is not None else best["speed_reference"]
    is_scored = best["AP"] is not None
    if best["speed_verdict"] == "reference":
        kept = f" that keeps {share(least)} of its AP" if is_scored else ""
        return f"{'Take ' if has_verdicts else ''}{cell_name(best)}: no other cell{kept} was faster."
    kept = f" of the cells that keep {share(least)} of the reference's AP here" if is_scored else ""
    start = f"Take {cell_name(best)}" if has_verdicts else f"{cell_name(best)} was the fastest{kept}"
    words = f"{start}: {times(best['speed'])} as fast as {base} ({speed_interval(best)})"
    if best["AP_share"] is not None:
        return f"{words}, with an AP of {accuracy(best['AP'])}, {share(best['AP_share'])} of the reference's."
    return f"{words}."


def _keeps(row: Row, least: float) -> bool:
    if row["is_reference"]:
        return row["AP"] is not None
    if row["verdict"]:
        return bool(row["verdict"] == "kept")
    return row["AP_share"] is not None and row["AP_share"] >= least
