"""Ranges of activations without outliers: a few values far out would make the steps of all others coarse."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np

from ssdbench.arrays import Float32

Name = TypeVar("Name", bound=Hashable)

# The part of a tensor's values that is cut off at each end. Of .0005 to .000005 at each end this gave the smallest
# errors of the heads. (Percentiles: Wu et al., Integer Quantization for Deep Learning Inference, 2020, section 4.1.)
_CUT = 0.000025


def ranges_without_outliers(outputs: Iterable[Mapping[Name, Float32]], images: int) -> dict[Name, tuple[float, float]]:
    """The lowest and the highest value of each tensor over all images, but for the outliers.

    Args:
        outputs: of each image, each tensor's values of any shape; the shape is the same for all. images: their number.
    """
    low: dict[Name, Float32] = {}
    high: dict[Name, Float32] = {}
    for of_image in outputs:
        for name, values in of_image.items():
            ends = round(values.size * images * _CUT) + 1  # the outliers at each end, and the value next to them
            flat = values.ravel()
            low[name] = _smallest(np.append(low.get(name, flat[:0]), _smallest(flat, ends)), ends)
            high[name] = _smallest(np.append(high.get(name, flat[:0]), _smallest(-flat, ends)), ends)
    return {name: (float(low[name].max()), float(-high[name].max())) for name in low}


def _smallest(values: Float32, count: int) -> Float32:
    return np.partition(values, count - 1)[:count] if count < len(values) else values
