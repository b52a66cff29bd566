"""The result of a run as a person reads it in a terminal: a table for each group of cells, and the best one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from ssdbench.report.words import DASH, cell_name, change, interval, one_line, shown

Row = Mapping[str, Any]

_REASON_LENGTH = 70


def terminal_table(summary: Mapping[str, Any]) -> str:
    """A summary's groups, each a table of its cells that can run and a sentence on the best.

    Args:
        summary: the content of summary.json.
    """
    by_id = {row["id"]: row for row in summary["rows"]}
    parts = []
    for group in summary["groups"]:
        rows = [by_id[cell] for cell in group["cells"]]
        heading = f"{group['title']}, protocol {group['protocol']}, {group['dataset']}"
        shown_rows = [_cells(row) for row in rows if row["status"] != "unsupported"]
        lines = [one_line(heading), tabulate(shown_rows, _HEADS, disable_numparse=True, colalign=_ALIGNED)]
        if unsupported := [cell_name(row) for row in rows if row["status"] == "unsupported"]:
            lines.append(f"Unsupported, with reasons in the report: {', '.join(unsupported)}.")
        parts.append("\n".join([*lines, *filter(None, [group.get("best_sentence", "")])]))
    return "\n\n".join(parts)


_HEADS = ("cell", "AP", "change", "speed (95 % interval)", "ms", "MB", "status")
_ALIGNED = ("left", "right", "right", "left", "right", "right", "left")


def _cells(row: Row) -> list[str]:
    status = str(row["status"])
    if row["reason"] and status != "ok":
        reason = one_line(row["reason"])
        status += f": {reason if len(reason) <= _REASON_LENGTH else reason[: _REASON_LENGTH - 3] + '...'}"
    columns = ("latency_p50_ms", "model_mb")
    return [
        cell_name(row),
        shown(row, "AP") or DASH,
        _change(row),
        _speed(row),
        *(shown(row, column) or DASH for column in columns),
        status,
    ]


def _change(row: Row) -> str:
    if row["AP_change"] is None:
        return DASH
    if row["AP_change_low"] is None:
        return change(row["AP_change"])
    verdict = f", {row['verdict']}" if row["verdict"] else ""
    return f"{change(row['AP_change'])} ({interval(row['AP_change_low'], row['AP_change_high'])}{verdict})"


def _speed(row: Row) -> str:
    if row.get("speed") is None:
        return DASH
    if row["speed_verdict"] == "reference":
        return "1 (reference)"
    return f"{shown(row, 'speed')} ({shown(row, 'speed_low')} to {shown(row, 'speed_high')})"
