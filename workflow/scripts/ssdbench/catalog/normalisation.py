"""What the numbers that a network is fed mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# One number for all three channels, or one for each in the order in which they are fed.
Channels = float | tuple[float, float, float]
ChannelOrder = Literal["rgb", "bgr"]


@dataclass(frozen=True)
class Normalisation:
    """A network is fed pixel * scale + offset, pixels from 0 to 255, its channels in `channel_order`.

    scale, offset: one number, or three in the order in which the channels are fed (a list of three is taken too, as
    JSON has no tuples).
    """

    scale: Channels
    offset: Channels
    channel_order: ChannelOrder = "rgb"

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            object.__setattr__(self, name, _channels(getattr(self, name)))

    @classmethod
    def of_mean_and_std(
        cls, mean: float | Sequence[float], std: float | Sequence[float], channel_order: ChannelOrder = "rgb"
    ) -> Normalisation:
        """(pixel - mean) / std, both in pixel units: one number, or one for each channel."""
        means, stds = _three(mean), _three(std)
        scale = tuple(1 / deviation for deviation in stds)
        return cls(scale, tuple(-m / d for m, d in zip(means, stds, strict=True)), channel_order)  # type: ignore[arg-type]

    @property
    def scales(self) -> tuple[float, float, float]:
        """The factor of each channel."""
        return _three(self.scale)

    @property
    def offsets(self) -> tuple[float, float, float]:
        """What is added to each channel."""
        return _three(self.offset)

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean of each channel, in pixel units."""
        return tuple(-offset / scale for offset, scale in zip(self.offsets, self.scales, strict=True))

    @property
    def std(self) -> tuple[float, ...]:
        """The deviation of each channel, in pixel units."""
        return tuple(1 / scale for scale in self.scales)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest number that pixels become."""
        pairs = list(zip(self.scales, self.offsets, strict=True))
        values = [value * scale + offset for scale, offset in pairs for value in (0, 255)]
        return min(values), max(values)

    def __str__(self) -> str:
        order = "" if self.channel_order == "rgb" else ", blue first"
        if isinstance(self.scale, tuple) or isinstance(self.offset, tuple):
            return f"(pixel - {_text(self.mean)}) / {_text(self.std)}{order}"
        if (self.scale, self.offset) == (1, 0):
            return f"pixels from 0 to 255{order}"
        return f"pixel * {self.scale * 255:g}/255 {'-' if self.offset < 0 else '+'} {abs(self.offset):g}{order}"


def _channels(value: float | Sequence[float]) -> Channels:
    """One number where all channels have the same."""
    if isinstance(value, int | float):
        return value
    three = _three(value)
    return three[0] if three[0] == three[1] == three[2] else three


def _three(value: float | Sequence[float]) -> tuple[float, float, float]:
    first, second, third = [value] * 3 if isinstance(value, int | float) else value
    return first, second, third


def _text(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else "[" + ", ".join(f"{value:.5g}" for value in values) + "]"


# Every MobileNet SSD's of TensorFlow: -1 to 1.
MOBILENET_SSD = Normalisation(2.0 / 255.0, -1.0)


def usual_normalisations() -> dict[str, Normalisation]:
    """The normalisations that detectors are trained with, by what users call them."""
    return {
        "-1 to 1": MOBILENET_SSD,
        "0 to 1": Normalisation(1 / 255, 0),
        "0 to 255": Normalisation(1, 0),
        # torchvision.transforms: mean (0.485, 0.456, 0.406), std (0.229, 0.224, 0.225) of pixels from 0 to 1.
        "ImageNet's mean and deviation": Normalisation.of_mean_and_std(
            [0.485 * 255, 0.456 * 255, 0.406 * 255], [0.229 * 255, 0.224 * 255, 0.225 * 255]
        ),
    }
