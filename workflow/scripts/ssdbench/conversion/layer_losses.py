"""Which layers of an int8 network lose most, and what else is special about its file.

The loss of a layer is its own: the layer is computed in floats from the values that it gets in the int8 network, and
compared with what it gives there. Measured against the fp32 network instead, the last layers would always lose most,
because they inherit the errors of all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.arrays import spread

LOSS_IMAGES = 8  # on which losses are measured: 4 gave the same two worst layers

_TINY = 1e-30


@dataclass(frozen=True)
class Steps:
    """How 8-bit integers stand for numbers: (integer - zero_point) * scale, from `low` to `high`, integers included."""

    scale: float
    zero_point: int
    low: int
    high: int


@dataclass
class LayerSums:
    """What a layer loses on some images: sums over its output values.

    error: of squared differences. signal: of squared values in floats. cut: how many values in floats lie outside of
    what its integers can stand for. values: how many there are.
    """

    error: float = 0.0
    signal: float = 0.0
    cut: float = 0
    values: float = 0

    def add(self, floats: Any, integers: Any, steps: Steps) -> None:
        """Add one image: the layer's output in floats, float32 [...], and in 8-bit integers, of the same shape."""
        found = (integers.astype(np.float32) - steps.zero_point) * np.float32(steps.scale)
        wanted = floats.astype(np.float64)
        self.error += float(np.square(found - wanted).sum())
        self.signal += float(np.square(wanted).sum())
        low, high = (steps.scale * (end - steps.zero_point) for end in (steps.low - 0.5, steps.high + 0.5))
        self.cut += int(np.count_nonzero((wanted < low) | (wanted > high)))
        self.values += wanted.size


def ranked(sums: Mapping[str, LayerSums]) -> list[dict[str, Any]]:
    """The layers, the worst first: {layer, loss, share, cut}.

    loss: squared error relative to the squared output. share: its part of the sum over all layers. cut: the share of
    the layer's values that its integers cannot stand for.
    """
    losses = {name: of.error / max(of.signal, _TINY) for name, of in sums.items()}
    total = max(sum(losses.values()), _TINY)
    order = sorted(losses, key=lambda name: (-losses[name], name))
    return [
        {
            "layer": name,
            "loss": float(f"{losses[name]:.4g}"),
            "share": round(losses[name] / total, 4),
            "cut": float(f"{sums[name].cut / max(sums[name].values, 1):.3g}"),
        }
        for name in order
    ]


def quantisation_facts(
    weight_bits: int,
    per_channel: bool,
    in_floats: Iterable[str],
    sums: Mapping[str, LayerSums],
    calibration_images: int,
    loss_images: int,
) -> dict[str, Any]:
    """The card's record of how a file is quantised, and of what its layers lose.

    Args:
        in_floats: layers that compute in floats.
        calibration_images: how many images gave the ranges. loss_images: how many the losses are measured on.
    """
    cut, values = sum(of.cut for of in sums.values()), sum(of.values for of in sums.values())
    return {
        "weight_bits": weight_bits,
        "weights": "per channel" if per_channel else "per tensor",
        "in_floats": sorted(in_floats),
        "cut": float(f"{cut / max(values, 1):.3g}"),
        "calibration_images": calibration_images,
        "loss_images": loss_images,
        "layers": ranked(sums),
    }


def short_name(layer: str) -> str:
    """A layer's name without what all of TensorFlow's names have: `expanded_conv_12/project`."""
    name = layer.split(";")[0].partition(":")[0]
    for start in ("model/", "FeatureExtractor/", "MobilenetV1/", "MobilenetV2/"):
        name = name.removeprefix(start)
    if "/ArithmeticOptimizer/AddOps" in name:
        return name.partition("/ArithmeticOptimizer/")[0] + "/add"
    return re.sub(r"/(BatchNorm|BiasAdd|Relu6?|Conv2D|separable_conv2d|depthwise_conv2d|add_fold)\b.*$", "", name)


def loss_images(pixels: Sequence[Any]) -> list[Any]:
    """The images that losses are measured on, spread over those of the calibration."""
    return [pixels[index] for index in spread(len(pixels), LOSS_IMAGES)]
