"""The geometry of the page's figures; the template draws it, the style sheet colours it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi, sin
from typing import Any

from ssdbench.report.summary.findings import comparable_timings
from ssdbench.report.words import accuracy, cell_name, listed, quantity

Row = Mapping[str, Any]

_CHARACTER = 0.68  # mean width of a character of a wide bold sans-serif face, in font sizes


@dataclass(frozen=True)
class Canvas:
    """Size of a figure in its own units, its font size and the margins around its plot."""

    width: int
    height: int
    font: float = 13.0
    left: float = 52.0
    right: float = 20.0
    top: float = 34.0
    bottom: float = 46.0


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: _Box) -> float:
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return width * height if width > 0 and height > 0 else 0.0


def series_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The number of each framework's colour and shape, in order of appearance."""
    return {name: number for number, name in enumerate(dict.fromkeys(row["framework"] for row in rows))}


def pareto(rows: Sequence[Row]) -> list[Row]:
    """The rows that no other beats in both AP and latency, from the fastest to the most accurate.

    Rows without AP or latency, or whose timing is not valid, have no part in it; across processors there is none. Of
    rows with the same latency the most accurate is given, of equal rows the first.
    """
    best: list[Row] = []
    scored = comparable_timings([row for row in rows if row["AP"] is not None])
    for row in sorted(scored, key=lambda row: (row["latency_p50_ms"], -row["AP"])):
        if not best or row["AP"] > best[-1]["AP"]:
            best.append(row)
    return best


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


def _place_labels(
    marks: list[dict[str, Any]], corners: Sequence[tuple[float, float]], plot: _Box, canvas: Canvas
) -> None:
    """Give each mark's label the nearest free place around it; one that lies far off gets a leader line."""
    half = 7.0
    taken = [_Box(mark["x"] - half, mark["y"] - half, mark["x"] + half, mark["y"] + half) for mark in marks]
    # A label may cross an error bar or the line where it must, but not lie along one.
    lines = [_thin(mark["across"], (mark["y"], mark["y"])) for mark in marks if mark["across"]]
    lines += [_thin((mark["x"], mark["x"]), mark["upright"]) for mark in marks if mark["upright"]]
    for (left, low), (right, high) in pairwise([*corners, *((plot.right, y) for _, y in corners[-1:])]):
        lines += [_thin((left, right), (low, low)), _thin((right, right), (high, low))]
    frame = _Box(plot.left + 2, plot.top, canvas.width - 2, plot.bottom - 2)
    height = 1.15 * canvas.font
    for mark in sorted(marks, key=lambda mark: (mark["y"], mark["x"])):
        width = _CHARACTER * canvas.font * len(mark["text"])
        best: tuple[float, float, _Box] | None = None
        for distance in (12.0, 20.0, 32.0, 46.0, 62.0, 80.0):
            for step in range(12):
                angle = pi * step / 6
                # The label's near edge, not its centre, lies at `distance` from the mark.
                middle_x = mark["x"] + cos(angle) * (distance + width / 2)
                middle_y = mark["y"] + sin(angle) * (distance + height / 2)
                box = _Box(middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
                outside = width * height - box.overlap(frame)
                covered = 10 * sum(box.overlap(other) for other in taken) + sum(box.overlap(line) for line in lines)
                cost = 20 * outside + covered + distance + step / 12
                if best is None or cost < best[0]:
                    best = (cost, distance, box)
        assert best is not None
        _, distance, box = best
        taken.append(box)
        mark["label"] = {
            "x": round((box.left + box.right) / 2, 1),
            "y": round((box.top + box.bottom) / 2, 1),
            "leader": _leader(mark, box) if distance > 16 else None,
        }


def _thin(across: tuple[float, float], upright: tuple[float, float]) -> _Box:
    """A line as a box that labels can overlap."""
    return _Box(across[0] - 1, upright[0] - 1, across[1] + 1, upright[1] + 1)


def _leader(mark: Mapping[str, Any], box: _Box) -> dict[str, float]:
    """A line from the mark to the nearest point of its label's box."""
    return {
        "x": round(min(max(mark["x"], box.left), box.right), 1),
        "y": round(min(max(mark["y"], box.top), box.bottom), 1),
    }
