"""Array types by element type, and evenly spread indices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


UInt8 = NDArray[np.uint8]


Int64 = NDArray[np.int64]


Float64 = NDArray[np.float64]


Bool = NDArray[np.bool_]


def spread(count: int, most: int) -> list[int]:
    """Up to `most` of the indices of `count` things: ascending, evenly spread, with the first."""
    indices: list[int] = np.linspace(0, count - 1, min(count, most)).round().astype(np.int64).tolist()
    return indices
