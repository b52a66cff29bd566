"""Boxes: from encodings to corners, and from corners to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float32, Float64


def decode(encodings: Float32, anchors: Float32, box_coder: Sequence[float]) -> Float32:
    """Boxes of encodings, by the formula of Faster R-CNN (arXiv:1506.01497, section 3.1.2), not clipped.

    Args:
        encodings: float32 [..., A, 4], ty tx th tw.
        anchors: float32 [A, 4], ymin xmin ymax xmax, normalised.
        box_coder: the four divisors of ty, tx, th, tw.

    Returns:
        float32 [..., A, 4], ymin xmin ymax xmax, normalised like the anchors.
    """
    # One coordinate after the other in memory is several times faster than one box after the other.
    scaled = np.ascontiguousarray(encodings.swapaxes(-1, -2)) / np.asarray(box_coder, np.float32)[:, None]
    sides = np.ascontiguousarray(anchors.T)
    size = sides[2:] - sides[:2]
    centre = scaled[..., :2, :] * size + (sides[:2] + size / 2)
    with np.errstate(over="ignore"):  # a box too large for float32 is infinite, and clips to the image
        half = np.exp(scaled[..., 2:, :]) * size / 2
    return np.concatenate([centre - half, centre + half], axis=-2).swapaxes(-1, -2)


def clip(corners: Float32) -> Float32:
    """The part of normalised boxes (any order of corners) that lies inside the image, 0 to 1."""
    return np.minimum(np.maximum(corners, np.float32(0)), np.float32(1))


def to_pixels(corners: NDArray[Any], width: int, height: int) -> Float64:
    """COCO boxes float64 [..., 4], x y w h in pixels, of normalised ymin xmin ymax xmax [..., 4]."""
    ymin, xmin, ymax, xmax = np.moveaxis(np.asarray(corners, np.float64), -1, 0)
    return np.stack([xmin * width, ymin * height, (xmax - xmin) * width, (ymax - ymin) * height], axis=-1)
