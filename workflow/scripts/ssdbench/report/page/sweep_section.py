"""The section of the page on sweeps of batch, threads and streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.page.label_placement import Canvas
from ssdbench.report.page.svg_figures import settings_figure
from ssdbench.report.summary.sweep_rows import Row
from ssdbench.report.words import cell_name, listed, quantity, setting_words


def best_of(rows: Sequence[Row], figure: str) -> tuple[Row, list[Row]] | None:
    """The best of one cell's settings by a figure, and those that are as good as it as far as the rounds can tell.

    figure: `end_to_end_p50_ms`, of which less is better, or `throughput_ips`. As good is a setting of which a round was
    as good as a round of the best one. Timings that are not valid have no part in it; None where no other is there.
    """
    valid = [row for row in rows if row[figure] is not None and row["timing_valid"] is not False]
    if not valid:
        return None
    less = figure == "end_to_end_p50_ms"
    best = min(valid, key=lambda row: row[figure] if less else -row[figure])

    def is_as_good(row: Row) -> bool:
        ends = [row[f"{figure}_low"], row[f"{figure}_high"], best[f"{figure}_low"], best[f"{figure}_high"]]
        if None in ends:
            return False
        return bool(ends[0] <= ends[3] if less else ends[1] >= ends[2])

    return best, [row for row in valid if row is not best and is_as_good(row)]


_CANVAS = Canvas(360, 270, font=12.0, left=44.0, right=14.0, top=28.0, bottom=42.0)


def sweep_part(cells: Sequence[Row], sweep: Sequence[Row], series: Mapping[str, int]) -> dict[str, Any] | None:
    """A group's settings as the page shows them; None where no cell was asked for more than one.

    Args:
        cells: the group's summary rows. sweep: as `sweep_rows` gives it. series: the number of each framework's colour.

    Returns:
        {cells, lines}. A cell is {id, name, figure, says}: `figure` as `settings_figure` gives it, None with fewer than
        two measured settings; `says` which setting is best for what. Lines are the group's rows of the sweep.
    """
    own = {cell["id"]: [row for row in sweep if row["id"] == cell["id"]] for cell in cells}
    if max(map(len, own.values()), default=0) < 2:
        return None
    shown = [cell for cell in cells if cell["status"] != "unsupported"]
    return {
        "cells": [_cell(cell, own[cell["id"]], series[cell["framework"]]) for cell in shown],
        "lines": [row for cell in shown for row in own[cell["id"]]],
    }


def _cell(cell: Row, rows: Sequence[Row], series: int) -> dict[str, Any]:
    measured = [row for row in rows if row["end_to_end_p50_ms"] is not None and row["throughput_ips"] is not None]
    fastest, most = best_of(measured, "end_to_end_p50_ms"), best_of(measured, "throughput_ips")
    best: dict[str, str] = {}
    says = "no setting has a valid timing" if len(measured) else "no setting was measured"
    if fastest and most:
        best[fastest[0]["setting"]] = "best for latency"
        earlier = best.get(most[0]["setting"])
        best[most[0]["setting"]] = "best for latency and throughput" if earlier else "best for throughput"
        says = (
            f"best for latency is {_said(fastest, 'end_to_end_p50_ms', 'ms a query')}; "
            f"best for throughput is {_said(most, 'throughput_ips', 'images/s')}"
        )
    figure = settings_figure(measured, best, series, _CANVAS) if len(measured) > 1 else None
    return {"id": cell["id"], "name": cell_name(cell), "figure": figure, "says": says}


def _said(found: tuple[Row, list[Row]], figure: str, unit: str) -> str:
    best, as_good = found
    others = listed([row["setting"] for row in as_good])
    beside = f", from which the rounds cannot tell {others}" if others else ""
    return f"{setting_words(best['setting'])} ({quantity(best[figure])} {unit}{beside})"
