"""The geometry of the page's figures; the template draws it, the style sheet colours it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssdbench.report.page.label_placement import Canvas, _Box, _place_labels
from ssdbench.report.summary.findings import comparable_timings
from ssdbench.report.summary.pareto import Row, pareto
from ssdbench.report.words import accuracy, cell_name, factor, listed, quantity, times


@dataclass(frozen=True)
class Axis:
    """What a scatter plot has across: a column of the summary with the ends of its error bars.

    more_is_better: whether the Pareto line runs through the right or the left ends.
    """

    column: str
    low: str
    high: str
    title: str
    hint: str
    more_is_better: bool


SPEED = Axis("speed", "speed_low", "speed_high", "times as fast as the reference", "faster and more accurate ↗", True)
LATENCY = Axis(
    "latency_p50_ms",
    "latency_p50_low_ms",
    "latency_p50_high_ms",
    "median latency of one image, ms",
    "↖ faster and more accurate",
    False,
)


def scatter(rows: Sequence[Row], series: Mapping[str, int], canvas: Canvas, axis: Axis) -> dict[str, Any] | None:
    """AP against speed or latency of one group's rows; None if no row has both.

    The axis across starts at zero; the AP axis does not, and spans at least 0.02. Error bars across are the interval of
    the speed, or run from the lowest to the highest median of the rounds; upright ones are the interval of the change
    in AP, set on the reference's AP and cut to 0 to 1. The Pareto line is that of the speeds in both.

    Returns:
        {width, height, font, plot, axis, x_ticks, y_ticks, x_most, marks, has_across, has_upright, line, front,
        description}; all coordinates in figure units. `has_across` and `has_upright`: whether any mark has such an
        error bar. `line` is the path of the Pareto line, empty if there is none; `front` the names of the cells
        on it; `x_most` the value at the right end of the axis. A mark that may be compared with others has
        its AP and its speed as `compared`, else None.
    """
    points = [row for row in rows if row["AP"] is not None and row[axis.column] is not None]
    if not points:
        return None
    plot = _Box(canvas.left, canvas.top, canvas.width - canvas.right, canvas.height - canvas.bottom)
    reference = next((row["AP"] for row in rows if row["is_reference"]), None)
    bars = [_Bars.of(row, reference, axis) for row in points]
    x_ticks = _ticks(0.0, max(bar.right for bar in bars))
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
            "x": x_of(row[axis.column]),
            "y": y_of(row["AP"]),
            "across": (x_of(bar.left), x_of(bar.right)) if bar.left < bar.right else None,
            "upright": (y_of(bar.high), y_of(bar.low)) if bar.low < bar.high else None,
            "text": cell_name(row),
            "series": series[row["framework"]] % 6,
            "is_valid": row["timing_valid"] is not False,
            "compared": {"AP": row["AP"], "speed": row["speed"]} if row["id"] in compared else None,
            "words": _words(row),
            "title": _title(row, bar, axis),
        }
        for row, bar in zip(points, bars, strict=True)
    ]
    front = pareto(points)
    corners = [(x_of(row[axis.column]), y_of(row["AP"])) for row in front]
    _place_labels(marks, corners, plot, canvas)
    decimals = 3 if y_ticks[1] - y_ticks[0] < 0.0099 else 2
    on_line = f" On the Pareto line: {listed([cell_name(row) for row in front])}." if len(points) > 1 and front else ""
    return {
        **_frame(canvas, plot),
        "axis": axis,
        "x_ticks": [{"at": x_of(tick), "text": f"{tick:g}"} for tick in x_ticks],
        "y_ticks": [{"at": y_of(tick), "text": f"{tick:.{decimals}f}"} for tick in y_ticks],
        "x_most": x_ticks[-1],
        "marks": marks,
        "has_across": any(mark["across"] for mark in marks),
        "has_upright": any(mark["upright"] for mark in marks),
        "line": _steps(corners, plot.left if axis.more_is_better else plot.right),
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
    """Where the error bars of a mark end: across, and in AP; at the mark itself if there is no bar."""

    left: float
    right: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Row, reference: float | None, axis: Axis) -> _Bars:
        at, ap = row[axis.column], row["AP"]
        left, right = row[axis.low], row[axis.high]
        low, high = row["AP_change_low"], row["AP_change_high"]
        return cls(
            left=at if left is None else left,
            right=at if right is None else right,
            low=ap if low is None or reference is None else max(0.0, reference + low),
            high=ap if high is None or reference is None else min(1.0, reference + high),
        )


def _words(row: Row) -> str:
    """A cell as the answer to the question for the best one."""
    judged = "the reference" if row["is_reference"] else row["verdict"]
    speed = "" if row["speed"] is None else f", {times(row['speed'])} as fast as the reference"
    return f"{cell_name(row)}, AP {accuracy(row['AP'])}{speed}" + (f" ({judged})" if judged else "")


def _title(row: Row, bars: _Bars, axis: Axis) -> str:
    within = f" (95 % interval {accuracy(bars.low)} to {accuracy(bars.high)})" if bars.low < bars.high else ""
    flag = "" if row["timing_valid"] is not False else ", timing not valid"
    if axis.more_is_better:
        apart = f" ({factor(bars.left)} to {factor(bars.right)})" if bars.left < bars.right else ""
        return f"{cell_name(row)}: AP {accuracy(row['AP'])}{within}, {times(row['speed'])} as fast{apart}{flag}."
    apart = f" (rounds {quantity(bars.left)} to {quantity(bars.right)})" if bars.left < bars.right else ""
    return f"{cell_name(row)}: AP {accuracy(row['AP'])}{within} at {quantity(row[axis.column])} ms{apart}{flag}."


def _steps(corners: Sequence[tuple[float, float]], end: float) -> str:
    """The path along the best AP at each speed, from the fastest on to this edge."""
    if not corners:
        return ""
    return f"M{corners[0][0]} {corners[0][1]}" + "".join(f"H{x}V{y}" for x, y in corners[1:]) + f"H{end}"


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
