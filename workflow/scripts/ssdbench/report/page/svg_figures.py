"""The geometry of the page's figures; the template draws it, the style sheet colours it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssdbench.report.page.label_placement import Canvas, _Box, _place_labels
from ssdbench.report.summary.findings import comparable_timings
from ssdbench.report.summary.pareto import Row, pareto
from ssdbench.report.words import accuracy, cell_name, listed, quantity


def scatter(rows: Sequence[Row], series: Mapping[str, int], canvas: Canvas) -> dict[str, Any] | None:
    """AP against median latency of one group's rows; None where no row has both.

    The latency axis starts at zero; the AP axis does not, and spans at least 0.02. Error bars run from the lowest to
    the highest median of the rounds, and over the interval of the change in AP, set on the reference's AP and cut to 0
    to 1.

    Returns:
        {width, height, font, plot, x_ticks, y_ticks, x_most, marks, has_across, has_upright, line, front,
        description}; all coordinates in figure units. `has_across` and `has_upright`: whether any mark has such an
        error bar. `line` is the path of the Pareto line, empty where there is none; `front` the names of the cells
        on it; `x_most` the latency in ms at the right end of the axis. A mark that may be compared with others has
        its AP and its latency in ms as `compared`, else None.
    """
    points = [row for row in rows if row["AP"] is not None and row["latency_p50_ms"] is not None]
    if not points:
        return None
    plot = _Box(canvas.left, canvas.top, canvas.width - canvas.right, canvas.height - canvas.bottom)
    reference = next((row["AP"] for row in rows if row["is_reference"]), None)
    bars = [_Bars.of(row, reference) for row in points]
    x_ticks = _ticks(0.0, max(bar.slow for bar in bars))
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    room = max(0.1 * (high - low), (0.02 - (high - low)) / 2)
    y_ticks = _ticks(max(0.0, low - room), min(1.0, high + room))

    def x_of(value: float) -> float:
        return round(plot.left + (plot.right - plot.left) * value / x_ticks[-1], 1)

    def y_of(value: float) -> float:
        return round(plot.bottom - (plot.bottom - plot.top) * (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]), 1)

    compared = {row["id"] for row in comparable_timings(points)}
    marks: list[dict[str, Any]] = [
        {
            "id": row["id"],
            "x": x_of(row["latency_p50_ms"]),
            "y": y_of(row["AP"]),
            "across": (x_of(bar.fast), x_of(bar.slow)) if bar.fast < bar.slow else None,
            "upright": (y_of(bar.high), y_of(bar.low)) if bar.low < bar.high else None,
            "text": cell_name(row),
            "series": series[row["framework"]] % 6,
            "is_valid": row["timing_valid"] is not False,
            "compared": {"AP": row["AP"], "ms": row["latency_p50_ms"]} if row["id"] in compared else None,
            "words": _words(row),
            "title": _title(row, bar),
        }
        for row, bar in zip(points, bars, strict=True)
    ]
    front = pareto(points)
    corners = [(x_of(row["latency_p50_ms"]), y_of(row["AP"])) for row in front]
    _place_labels(marks, corners, plot, canvas)
    decimals = 3 if y_ticks[1] - y_ticks[0] < 0.0099 else 2
    on_line = f" On the Pareto line: {listed([cell_name(row) for row in front])}." if len(points) > 1 and front else ""
    return {
        **_frame(canvas, plot),
        "x_ticks": [{"at": x_of(tick), "text": f"{tick:g}"} for tick in x_ticks],
        "y_ticks": [{"at": y_of(tick), "text": f"{tick:.{decimals}f}"} for tick in y_ticks],
        "x_most": x_ticks[-1],
        "marks": marks,
        "has_across": any(mark["across"] for mark in marks),
        "has_upright": any(mark["upright"] for mark in marks),
        "line": _steps(corners, plot.right),
        "front": [cell_name(row) for row in front],
        "description": " ".join(mark["title"] for mark in marks) + on_line,
    }


def settings_figure(rows: Sequence[Row], best: Mapping[str, str], series: int, canvas: Canvas) -> dict[str, Any]:
    """Throughput against the end-to-end latency of a query, over one cell's settings that were measured.

    Both axes start at zero. Args: rows: of the sweep, each with both figures. best: by setting, what it is best for.

    Returns:
        {width, height, font, plot, x_ticks, y_ticks, marks, description}, all coordinates in figure units.
    """
    plot = _Box(canvas.left, canvas.top, canvas.width - canvas.right, canvas.height - canvas.bottom)
    x_ticks = _ticks(0.0, max(row["end_to_end_p50_ms"] for row in rows))
    y_ticks = _ticks(0.0, max(row["throughput_ips"] for row in rows))

    def x_of(value: float) -> float:
        return round(plot.left + (plot.right - plot.left) * value / x_ticks[-1], 1)

    def y_of(value: float) -> float:
        return round(plot.bottom - (plot.bottom - plot.top) * value / y_ticks[-1], 1)

    marks: list[dict[str, Any]] = [
        {
            "x": x_of(row["end_to_end_p50_ms"]),
            "y": y_of(row["throughput_ips"]),
            **{"across": None, "upright": None},
            "text": row["setting"].replace("-", " "),
            "series": series % 6,
            "is_valid": row["timing_valid"] is not False,
            "is_best": row["setting"] in best,
            "title": (
                f"{row['setting']}: {quantity(row['throughput_ips'])} images/s, "
                f"{quantity(row['end_to_end_p50_ms'])} ms a query"
                + (f", {best[row['setting']]}" if row["setting"] in best else "")
                + ("" if row["timing_valid"] is not False else ", timing not valid")
                + "."
            ),
        }
        for row in rows
    ]
    _place_labels(marks, [], plot, canvas)
    return {
        **_frame(canvas, plot),
        "x_ticks": [{"at": x_of(tick), "text": f"{tick:g}"} for tick in x_ticks],
        "y_ticks": [{"at": y_of(tick), "text": f"{tick:g}"} for tick in y_ticks],
        "marks": marks,
        "description": " ".join(mark["title"] for mark in marks),
    }


@dataclass(frozen=True)
class _Bars:
    """Where the error bars of a mark end: latencies in ms and APs; at the mark itself where there is no bar."""

    fast: float
    slow: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Row, reference: float | None) -> _Bars:
        p50, ap = row["latency_p50_ms"], row["AP"]
        fast, slow = row["latency_p50_low_ms"], row["latency_p50_high_ms"]
        low, high = row["AP_change_low"], row["AP_change_high"]
        return cls(
            fast=p50 if fast is None else fast,
            slow=p50 if slow is None else slow,
            low=ap if low is None or reference is None else max(0.0, reference + low),
            high=ap if high is None or reference is None else min(1.0, reference + high),
        )


def _words(row: Row) -> str:
    """A cell as the answer to the question for the best one."""
    judged = "the reference" if row["is_reference"] else row["verdict"]
    return (
        f"{cell_name(row)}, AP {accuracy(row['AP'])} at {quantity(row['latency_p50_ms'])} ms"
        + (f" ({judged})" if judged else "")
    )  # fmt: skip


def _title(row: Row, bars: _Bars) -> str:
    apart = f" (rounds {quantity(bars.fast)} to {quantity(bars.slow)})" if bars.fast < bars.slow else ""
    within = f" (95 % interval {accuracy(bars.low)} to {accuracy(bars.high)})" if bars.low < bars.high else ""
    flag = "" if row["timing_valid"] is not False else ", timing not valid"
    return f"{cell_name(row)}: AP {accuracy(row['AP'])}{within} at {quantity(row['latency_p50_ms'])} ms{apart}{flag}."


def _steps(corners: Sequence[tuple[float, float]], right: float) -> str:
    """The path along the best AP up to each latency, on to the right edge."""
    if not corners:
        return ""
    return f"M{corners[0][0]} {corners[0][1]}" + "".join(f"H{x}V{y}" for x, y in corners[1:]) + f"H{right}"


def _frame(canvas: Canvas, plot: _Box) -> dict[str, Any]:
    """Size and lettering of a figure, and where its plot lies."""
    return {
        "width": canvas.width,
        "height": canvas.height,
        "font": canvas.font,
        "plot": {"left": plot.left, "top": plot.top, "right": plot.right, "bottom": plot.bottom},
    }


def _ticks(low: float, high: float) -> list[float]:
    """Round ticks that enclose [low, high]; the axis ends at the first and the last."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3).tick_values(low, high)
    return [round(max(0.0, float(value)), 10) for value in values if value > -1e-9]
