"""Figures of a group for papers: one column wide, legible in print and without colours.

Each framework has a colour (Okabe and Ito's, which colour-blind people can tell apart) and a shape; the precision is
written beside it.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from ssdbench.evaluation.tide import ERRORS
from ssdbench.report.exports.captions import conditions, rows_of
from ssdbench.report.summary.class_table import class_table
from ssdbench.report.summary.pareto import pareto, series_of
from ssdbench.report.words import cell_name, change, framework_name, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

_WIDTH = 3.4  # inches: a column of a two-column page
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_INK, _SOFT = "#1c1f23", "#575e67"
_LARGEST = 15
_DPI = 200

_STYLE = {
    "font.size": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.markersize": 5,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "ssdbench",  # the same figure gives the same bytes
    "text.parse_math": False,  # a name with dollar signs is not a formula
}


def accuracy_speed(summary: Mapping[str, Any], group: Mapping[str, Any]) -> Figure | None:
    """AP against the speed relative to the reference; None if no cell has both.

    Bars are the 95 % interval of the speed, and that of the change in AP around the reference's AP. The line is the
    best AP at a speed; a timing that is not valid is hollow and has no part in it.
    """
    rows = rows_of(summary, group)
    points = [row for row in rows if row["AP"] is not None and row["speed"] is not None]
    if not points:
        return None
    reference = next((row["AP"] for row in points if row["is_reference"]), None)
    series = series_of(summary["rows"])
    figure, axes = _one_panel(2.9)
    best = pareto(points)
    speeds, aps = [row["speed"] for row in best], [row["AP"] for row in best]
    axes.plot(speeds, aps, color=_SOFT, linewidth=0.8, drawstyle="steps-post", zorder=1)
    for row in points:
        _draw_cell(axes, row, series[row["framework"]], reference)
    axes.set_xlim(left=0)
    axes.margins(y=0.15)
    axes.set_xlabel("speed of one network call, times the reference")
    axes.set_ylabel("AP")
    figure.legend(
        handles=_legend(points, series, has_line=len(best) > 1),
        loc="outside upper center",
        ncols=3,
        frameon=False,
        handlelength=1.2,
        columnspacing=1,
    )
    drawn = [_bars(row, reference) for row in points]
    explained = {
        "bars: 95 % interval of the speed": any(speeds for (speeds, _), _ in drawn),
        "95 % interval of the change in AP": any(aps for _, (_, aps) in drawn),
    }
    _small_print(figure, [*conditions(summary, group), *(text for text, is_true in explained.items() if is_true)])
    _place_labels(figure, axes, points, series, reference)
    return figure


def class_change(summary: Mapping[str, Any], group: Mapping[str, Any]) -> Figure | None:
    """The difference of each cell's AP of a class from the reference's, for the classes that changed most.

    None if there is nothing to compare or nothing changed. The number of objects is written beside each class.
    """
    rows = {row["id"]: row for row in rows_of(summary, group)}
    table = class_table(group, rows, summary["details"]) or {"changed": []}
    lines = {_short(cell["name"]): {line["name"]: line for line in cell["lines"]} for cell in table["changed"]}
    most: dict[str, float] = {}
    for of_cell in lines.values():
        most |= {
            name: max(abs(line["change"]), most.get(name, 0.0)) for name, line in of_cell.items() if line["change"]
        }
    shown = sorted(most, key=lambda name: -most[name])[:_LARGEST]
    if not shown:
        return None
    truths = {name: line["truths"] for of_cell in lines.values() for name, line in of_cell.items()}
    names = [f"{_short(name)} ({'?' if truths[name] is None else truths[name]})" for name in shown]
    cells = {cell: {name: line["change"] for name, line in of_cell.items()} for cell, of_cell in lines.items()}
    height = (
        0.5 + 0.033 * max(map(len, cells)) + 0.16 * len(shown)
    )  # room for the slanted names, and a line for each class
    figure, axes = _one_panel(height, max(_WIDTH, 1.1 + 0.29 * len(cells)))
    limit = most[shown[0]]
    values = [[math.nan if (value := of.get(name)) is None else value for of in cells.values()] for name in shown]
    axes.imshow(values, cmap="PuOr", vmin=-limit, vmax=limit, aspect="auto")
    for y, line in enumerate(values):
        for x, value in enumerate(line):
            text = "" if math.isnan(value) else change(value, 2 if limit >= 0.1 else 3)
            ink = "white" if abs(value) > 0.7 * limit else _INK
            axes.text(x, y, text, ha="center", va="center", fontsize=5, color=ink)
    axes.set_xticks(range(len(cells)), list(cells), rotation=40, ha="right", rotation_mode="anchor", fontsize=6)
    axes.set_yticks(range(len(shown)), names, fontsize=6)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    base = next(row for row in rows_of(summary, group) if row["is_reference"])
    which = f"the {len(shown)} classes that moved most" if len(most) > len(shown) else "the classes that moved"
    what = f"change of AP from {cell_name(base)}: {which}, with their objects"
    _small_print(figure, [what, *conditions(summary, group)])
    return figure


def tide_errors(summary: Mapping[str, Any], group: Mapping[str, Any]) -> Figure | None:
    """The cost of each kind of TIDE error in AP50, for each cell; None if none were counted."""
    rows = [
        (row, errors["cost_in_order"])
        for row in rows_of(summary, group)
        if (errors := summary["details"][row["id"]].get("errors")) and errors.get("cost_in_order")
    ]
    if not rows:
        return None
    series = series_of(summary["rows"])
    figure = _figure(0.9 + 0.16 * len(rows))
    panels = figure.subplots(1, len(ERRORS), sharex=True, sharey=True)
    largest = max(cost for _, costs in rows for cost in costs.values())
    for axes, kind in zip(panels, ERRORS, strict=True):
        colours = [_colour(series[row["framework"]]) for row, _ in rows]
        bars = axes.barh(range(len(rows)), [costs[kind] for _, costs in rows], height=0.65, color=colours)
        axes.bar_label(bars, [f"{costs[kind]:.3f}" for _, costs in rows], padding=1, fontsize=5)
        axes.set_title(kind, fontsize=6, loc="left", x=0, rotation=25)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_color(_SOFT)
        axes.tick_params(length=0)
    panels[0].set_xlim(0, 2.0 * largest or 1)
    panels[0].set_yticks(range(len(rows)), [_short(cell_name(row)) for row, _ in rows], fontsize=6)
    panels[0].invert_yaxis()
    what = "AP50 that each kind of error costs (TIDE; the costs overlap and do not add up)"
    _small_print(figure, [what, *conditions(summary, group)])
    return figure


def sweep(summary: Mapping[str, Any], group: Mapping[str, Any]) -> Figure | None:
    """Throughput against the end-to-end latency of a query, a line per cell over its settings, each named.

    None if no cell has two measured settings. An invalid timing is hollow.
    """
    cells = []
    for row in rows_of(summary, group):
        own = [one for one in summary["sweep"] if one["id"] == row["id"] and one["end_to_end_p50_ms"] is not None]
        if len(own) > 1:
            cells.append((row, sorted(own, key=lambda one: one["throughput_ips"])))
    if not cells:
        return None
    series = series_of(summary["rows"])
    figure = _figure(0.6 + 1.5 * ((len(cells) + 1) // 2))
    panels = figure.subplots((len(cells) + 1) // 2, 2, squeeze=False)
    for axes, (row, own) in zip(panels.flat, cells, strict=False):
        colour, marker = _colour(series[row["framework"]]), _MARKERS[series[row["framework"]] % len(_MARKERS)]
        for one in own:
            at = (one["end_to_end_p50_ms"], one["throughput_ips"])
            fill = colour if one["timing_valid"] is not False else "white"
            axes.plot([at[0]], [at[1]], marker=marker, color=colour, markerfacecolor=fill, markersize=3)
            axes.annotate(one["setting"], at, (2, 2), textcoords="offset points", fontsize=4.5, color=_SOFT)
        axes.set_title(_short(cell_name(row)), fontsize=6, loc="left")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.margins(0.25)
        axes.tick_params(labelsize=5)
    for axes in panels.flat[len(cells) :]:
        axes.set_visible(False)
    figure.supylabel("images/s", fontsize=6)
    what = "images/s against the median latency of one query in ms, over batch, threads and streams"
    _small_print(figure, [what, *conditions(summary, group)])
    return figure


@contextmanager
def plot_style() -> Iterator[None]:
    """A context to draw and save in, with the project's style, whatever matplotlib settings the machine has."""
    from matplotlib import style

    with style.context(["default", _STYLE]):
        yield


def image_bytes(figure: Figure, kind: Literal["svg", "png"]) -> bytes:
    """The figure as the content of a file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}[kind]
    figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
    return buffer.getvalue()


def _figure(height: float, width: float = _WIDTH) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _colour(series: int) -> str:
    return _COLOURS[series % len(_COLOURS)]


def _short(name: str) -> str:
    """A name of at most 30 characters."""
    text = one_line(name)
    return text if len(text) <= 30 else f"{text[:29]}…"


def _one_panel(height: float, width: float = _WIDTH) -> tuple[Figure, Axes]:
    figure = _figure(height, width)
    return figure, figure.add_subplot()


def _small_print(figure: Figure, facts: Sequence[str]) -> None:
    lines = textwrap.wrap(" · ".join(facts), width=int(27 * figure.get_figwidth()))
    figure.supxlabel("\n".join(lines), fontsize=4.5, color=_SOFT, x=0.01, ha="left", linespacing=1.35)


def _draw_cell(axes: Axes, row: Mapping[str, Any], series: int, reference: float | None) -> None:
    """Draw a cell's mark and its bars."""
    colour = _colour(series)
    for (xs, ys), cap in zip(_bars(row, reference), "|_", strict=True):
        axes.plot(xs, ys, marker=cap, markersize=3, color=colour, linewidth=0.8, zorder=2)
    fill = colour if row["timing_valid"] is not False else "white"
    marker = _MARKERS[series % len(_MARKERS)]
    axes.plot([row["speed"]], [row["AP"]], marker=marker, color=colour, markerfacecolor=fill, zorder=3)


def _bars(row: Mapping[str, Any], reference: float | None) -> tuple[tuple[list[float], list[float]], ...]:
    """The x and the y of a cell's bars: over the interval of its speed, over that of its AP; else empty."""
    x, y = row["speed"], row["AP"]
    ends = [row["speed_low"], row["speed_high"]]
    speeds = [end for end in ends if end is not None and row["speed_verdict"] != "reference"]
    changes = [part for name in ("low", "high") if (part := row[f"AP_change_{name}"]) is not None]
    aps = [] if reference is None else [min(1.0, max(0.0, reference + part)) for part in changes]  # an AP is 0 to 1
    return (speeds, [y] * len(speeds)), ([x] * len(aps), aps)


def _legend(points: Sequence[Mapping[str, Any]], series: Mapping[str, int], has_line: bool) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = []
    for name in dict.fromkeys(row["framework"] for row in points):
        colour, marker = _colour(series[name]), _MARKERS[series[name] % len(_MARKERS)]
        handles.append(Line2D([], [], color=colour, marker=marker, linewidth=0, label=_short(framework_name(name))))
    if has_line:
        handles.append(Line2D([], [], color=_SOFT, linewidth=0.8, label="Pareto line"))
    if any(row["timing_valid"] is False for row in points):
        label = "timing not valid"
        handles.append(Line2D([], [], color=_SOFT, marker="o", markerfacecolor="white", linewidth=0, label=label))
    return handles


def _place_labels(
    figure: Figure,
    axes: Axes,
    points: Sequence[Mapping[str, Any]],
    series: Mapping[str, int],
    reference: float | None,
) -> None:
    """Write each cell's precision beside its mark, in its colour, at the place where it covers least."""
    from matplotlib.colors import to_rgb
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()  # lays out the axes
    point = figure.dpi / 72
    marks = [axes.transData.transform((row["speed"], row["AP"])) for row in points]
    taken = [Bbox.from_bounds(x - 3 * point, y - 3 * point, 6 * point, 6 * point) for x, y in marks]
    bars = [list(zip(*bar, strict=True)) for row in points for bar in _bars(row, reference)]
    taken += [Bbox(axes.transData.transform([bar[0], bar[-1]])).padded(point) for bar in bars if bar]
    steps = [(right, up) for up in (0, 1, -1) for right in (1, -1, 0) if right or up]
    for row, (x, y) in zip(points, marks, strict=True):
        at = (row["speed"], row["AP"])
        text: Annotation = axes.annotate(
            _short(row["precision"]), at, (0, 0), textcoords="offset points", ha="center", va="center", fontsize=6
        )
        red, green, blue = to_rgb(_colour(series[row["framework"]]))
        text.set_color((0.7 * red, 0.7 * green, 0.7 * blue))  # darker, because letters are thin
        size = text.get_window_extent()
        places: list[tuple[float, int, Bbox, tuple[float, float]]] = []
        for distance in (4, 8, 13):
            for right, up in steps:
                dx = right * (distance * point + size.width / 2)
                dy = up * (distance * point + size.height / 2)
                box = Bbox.from_bounds(x + dx - size.width / 2, y + dy - size.height / 2, size.width, size.height)
                crowd = sum(_common_area(box, other) for other in taken)
                outside = size.width * size.height - _common_area(box, axes.bbox)
                places.append((2 * crowd + outside + distance * point, len(places), box, (dx / point, dy / point)))
        _, _, box, text.xyann = min(places)
        taken.append(box.padded(point))


def _common_area(one: Any, other: Any) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0
