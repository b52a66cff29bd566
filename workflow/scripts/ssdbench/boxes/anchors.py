"""Anchors: the standard 1917 of SSD at 300x300, and those that a file gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ssdbench.arrays import Float32
from ssdbench.errors import UserError
from ssdbench.files.reading import read_json

# ssd_anchor_generator of the TF1 zoo's SSD MobileNet pipelines (v1, v2, SSDLite v2), as in
# tensorflow/models object_detection/anchor_generators/multiple_grid_anchor_generator.py.
_GRIDS = (19, 10, 5, 3, 2, 1)
_LOWEST_SCALE = 0.2
_HIGHEST_SCALE = 0.95
_ASPECT_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)  # width / height; the pipelines write 0.3333, not 1/3
_LOWEST_LAYER = ((0.1, 1.0), (0.2, 2.0), (0.2, 0.5))  # (scale, aspect ratio), in place of the six


def standard_anchors() -> Float32:
    """The anchors float32 [1917, 4], ymin xmin ymax xmax, normalised, not clipped.

    Six layers of square grids. A layer at scale s has a box of every aspect ratio at s, and one more
    square at the geometric mean of s and the next layer's scale (1.0 after the last). The order is
    layer, row, column, box; a cell's boxes share its centre.
    """
    step = (_HIGHEST_SCALE - _LOWEST_SCALE) / (len(_GRIDS) - 1)
    scales = [_LOWEST_SCALE + step * layer for layer in range(len(_GRIDS))] + [1.0]
    layers = []
    for layer, cells in enumerate(_GRIDS):
        shapes: tuple[tuple[float, float], ...] = _LOWEST_LAYER
        if layer > 0:
            extra = float(np.sqrt(scales[layer] * scales[layer + 1]))
            shapes = (*((scales[layer], ratio) for ratio in _ASPECT_RATIOS), (extra, 1.0))
        scale, ratio = np.array(shapes).T
        half = np.stack([scale / np.sqrt(ratio), scale * np.sqrt(ratio)], axis=1) / 2
        row, column = np.mgrid[:cells, :cells].reshape(2, -1, 1)
        centre = (np.stack([row, column], axis=2) + 0.5) / cells
        layers.append(np.concatenate([centre - half, centre + half], axis=2).reshape(-1, 4))
    return np.concatenate(layers).astype(np.float32)


# Anchors reach beyond the image by no more than their own size; numbers beyond this are no share of a side.
_FARTHEST = 10.0


def read_anchors(path: Path) -> Float32:
    """Anchors float32 [A, 4], ymin xmin ymax xmax, normalised, from a .npy or .json file.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    try:
        values = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.asarray(read_json(path))
        anchors: Float32 = values.astype(np.float32)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"The anchors in {path} cannot be read: {error}.") from error
    if anchors.ndim != 2 or anchors.shape[1] != 4 or not np.isfinite(anchors).all():
        raise UserError(f"{path} holds an array of shape {anchors.shape}; anchors are [A, 4], all finite.")
    if not (anchors[:, :2] < anchors[:, 2:]).all():
        raise UserError(
            f"{path} holds anchors that are not boxes: each is ymin, xmin, ymax, xmax, and not centre and size."
        )
    if np.abs(anchors).max() > _FARTHEST:
        raise UserError(
            f"{path} holds anchors up to {np.abs(anchors).max():g}: give shares of the image's side and not pixels."
        )
    return anchors
