"""The standard 1917 anchors of SSD at 300x300."""

from __future__ import annotations

import numpy as np

from ssdbench.outputs import Float32

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
