"""Where labels of a drawing go, so that none covers another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, pi, sin
from typing import Any

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
