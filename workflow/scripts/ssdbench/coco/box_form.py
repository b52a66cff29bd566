"""Boxes that cannot be right: how many, and which other form they look like."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float64

_ROUNDING = 1.0  # pixels that a box may leave its image by
# COCO has none; trackers annotate objects beyond the border, but few.
_MANY = 0.1


def box_form_notes(box: Float64, size: Float64) -> list[str]:
    """Sentences on annotated boxes that are not x, y, width, height in pixels, with the form that they look like.

    Args:
        box: float64 [N, 4], as in the file. size: float64 [N, 2], the width and height of each box's image.
    """
    if not len(box):
        return []
    if (box >= 0).all() and (box <= 1).all():
        return [
            f"All {len(box)} annotated boxes lie within 0 to 1: they look normalised (shares of the image's width and "
            "height), and COCO's are in pixels. Multiply them by the size of their image."
        ]
    if (box[:, 2:] < 1).all() and box[:, 2:].any():
        return [
            f"All {len(box)} annotated boxes are under one pixel wide and high; COCO's are x, y, width, height in "
            "pixels. Look at how they were written."
        ]
    outside = ~_inside(box[:, :2], box[:, :2] + box[:, 2:], size)
    if outside.sum() < _MANY * len(box):
        return []
    note = f"{outside.sum()} of {len(box)} annotated boxes leave their image; in COCO none does."
    likely = _likely_form(box, size)
    return [f"{note} They look like {likely}: convert them to x, y, width, height." if likely else note]


def _likely_form(box: Float64, size: Float64) -> str:
    """The form in which all boxes lie within their images; "" for none."""
    corner, side = box[:, :2], box[:, 2:]
    if (side >= corner).all() and _inside(corner, side, size).all():
        return "corners, x1, y1, x2, y2"
    if _inside(corner - side / 2, corner + side / 2, size).all():
        return "a centre with a size, centre x, centre y, width, height"
    if _inside(corner, corner + side, size[:, ::-1]).all():
        return "boxes of images whose width and height are swapped"
    return ""


def _inside(low: Float64, high: Float64, size: Float64) -> NDArray[np.bool_]:
    """Which boxes lie within their images, but for rounding: bool [N] of corners [N, 2] and sizes [N, 2]."""
    inside: NDArray[np.bool_] = np.all((low >= -_ROUNDING) & (high <= size + _ROUNDING), axis=1)
    return inside
