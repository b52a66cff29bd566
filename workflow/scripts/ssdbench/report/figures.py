"""The geometry of the page's figures; the template draws it, the style sheet colours it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any

from ssdbench.report.words import accuracy, cell_name, quantity

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


def scatter(rows: Sequence[Mapping[str, Any]], series: Mapping[str, int], canvas: Canvas) -> dict[str, Any] | None:
    """AP against median latency of one group's rows; None where no row has both.

    The latency axis starts at zero; the AP axis does not, and spans at least 0.02. A whisker runs from p50 to
    p90.

    Returns:
        {width, height, font, plot, x_ticks, y_ticks, marks, description}; all coordinates in figure units.
    """
    points = [row for row in rows if row["AP"] is not None and row["latency_p50_ms"] is not None]
    if not points:
        return None
    plot = _Box(canvas.left, canvas.top, canvas.width - canvas.right, canvas.height - canvas.bottom)
    x_ticks = _ticks(0.0, max(row["latency_p90_ms"] or row["latency_p50_ms"] for row in points))
    low, high = min(row["AP"] for row in points), max(row["AP"] for row in points)
    room = max(0.2 * (high - low), (0.02 - (high - low)) / 2)
    y_ticks = _ticks(max(0.0, low - room), min(1.0, high + room))

    def x_of(value: float) -> float:
        return plot.left + (plot.right - plot.left) * value / x_ticks[-1]

    def y_of(value: float) -> float:
        return plot.bottom - (plot.bottom - plot.top) * (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    marks: list[dict[str, Any]] = [
        {
            "x": round(x_of(row["latency_p50_ms"]), 1),
            "x_p90": round(x_of(row["latency_p90_ms"]), 1) if row["latency_p90_ms"] is not None else None,
            "y": round(y_of(row["AP"]), 1),
            "text": cell_name(row),
            "series": series[row["framework"]] % 6,
            "is_valid": row["timing_valid"] is not False,
            "title": _title(row),
        }
        for row in points
    ]
    _place_labels(marks, plot, canvas)
    decimals = 3 if y_ticks[1] - y_ticks[0] < 0.0099 else 2
    return {
        "width": canvas.width,
        "height": canvas.height,
        "font": canvas.font,
        "plot": {"left": plot.left, "top": plot.top, "right": plot.right, "bottom": plot.bottom},
        "x_ticks": [{"at": round(x_of(tick), 1), "text": f"{tick:g}"} for tick in x_ticks],
        "y_ticks": [{"at": round(y_of(tick), 1), "text": f"{tick:.{decimals}f}"} for tick in y_ticks],
        "marks": marks,
        "description": " ".join(mark["title"] for mark in marks),
    }


def _title(row: Mapping[str, Any]) -> str:
    p90 = f" (p90 {quantity(row['latency_p90_ms'])} ms)" if row["latency_p90_ms"] is not None else ""
    flag = "" if row["timing_valid"] is not False else ", timing not valid"
    return f"{cell_name(row)}: AP {accuracy(row['AP'])} at {quantity(row['latency_p50_ms'])} ms{p90}{flag}."


def _ticks(low: float, high: float) -> list[float]:
    """Round ticks that enclose [low, high]; the axis ends at the first and the last."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10], min_n_ticks=3).tick_values(low, high)
    return [round(max(0.0, float(value)), 10) for value in values if value > -1e-9]


def _place_labels(marks: list[dict[str, Any]], plot: _Box, canvas: Canvas) -> None:
    """Give each mark's label the nearest free place around it; one that lies far off gets a leader line."""
    half = 7.0
    taken = [_Box(mark["x"] - half, mark["y"] - half, mark["x"] + half, mark["y"] + half) for mark in marks]
    taken += [_Box(mark["x"], mark["y"] - 4, mark["x_p90"], mark["y"] + 4) for mark in marks if mark["x_p90"]]
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
                cost = 20 * outside + 10 * sum(box.overlap(other) for other in taken) + distance + step / 12
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


def _leader(mark: Mapping[str, Any], box: _Box) -> dict[str, float]:
    """A line from the mark to the nearest point of its label's box."""
    return {
        "x": round(min(max(mark["x"], box.left), box.right), 1),
        "y": round(min(max(mark["y"], box.top), box.bottom), 1),
    }
