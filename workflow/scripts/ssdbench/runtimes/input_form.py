"""How the one input of a model file wants its images, and what it was told by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float32, UInt8
from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation, usual_normalisations
from ssdbench.errors import UserError

Shape = tuple[int | None, ...]

BY_TYPE = "found by its type"

# Calibration on dull images narrows a range a little; more of a normalisation's range may not be cut off or unused.
_CUT_OFF, _UNUSED = 0.15, 0.3


@dataclass(frozen=True)
class InputForm:
    """How the one input of a model file wants its images.

    batch, size (height, width): None where any will do. table: [256, 3], the fed value of each pixel value in each
    channel, or None where pixels go in as they are. channels_first: NCHW instead of NHWC. reversed: blue goes first.
    meaning: of the fed numbers, in words. normalisation: what the numbers mean. found_by: `stated`, or what told it;
    empty where nothing did, and `normalisation` is a guess that must not be used without a word.
    """

    name: str
    batch: int | None
    size: tuple[int, int] | None
    channels_first: bool
    table: NDArray[Any] | None
    meaning: str
    normalisation: Normalisation = MOBILENET_SSD
    found_by: str = "stated"
    reversed: bool = False

    def feed(self, pixels: UInt8) -> NDArray[Any]:
        """The array to feed for uint8 pixels [N, H, W, 3], red first: the same array where the file takes pixels."""
        if self.reversed:
            pixels = pixels[..., ::-1]
        array: NDArray[Any] = pixels
        if self.table is not None:
            if (self.table == self.table[:, :1]).all():
                array = np.take(self.table[:, 0], pixels)
            else:
                array = np.stack([self.table[:, c].take(pixels[..., c]) for c in range(3)], axis=-1)
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2) if self.channels_first else array)


@dataclass(frozen=True)
class _Fed:
    table: NDArray[Any] | None
    meaning: str
    normalisation: Normalisation
    found_by: str


def input_form(
    path: Path,
    inputs: Mapping[str, tuple[str, Shape]],
    normalisation: Normalisation | None,
    quantisation: tuple[float, int] | None = None,
    metadata: Normalisation | None = None,
) -> InputForm:
    """How to feed a file whose inputs are {name: (numpy dtype name, shape)}, None for a free dimension.

    uint8 takes pixels. float32 and float16 take normalised pixels, and so does int8, through its
    `quantisation` (scale, zero point; real = (q - zero point) * scale). What is not stated by `normalisation` comes
    from the file's own `metadata`, or from the range of its quantisation.

    Raises:
        UserError: not exactly one image input of three channels, another dtype, or a quantised input whose range is
            not that of the normalisation.
    """
    found = ", ".join(f"{name} {dtype} {shape_text(shape)}" for name, (dtype, shape) in inputs.items()) or "none"
    if len(inputs) == 1:
        ((name, (dtype, shape)),) = inputs.items()
        dims = shape or (None,) * 4  # an unknown rank is an image of any size
        if dtype in ("uint8", "int8", "float32", "float16") and len(dims) == 4:
            channels_first = dims[1] == 3 and dims[3] != 3
            height, width, channels = dims[2:] + dims[1:2] if channels_first else dims[1:]
            if dtype == "int8" and not (quantisation and quantisation[0] > 0):
                raise UserError(
                    f"The input {name} of {path} is int8, and nothing tells this framework its scale and zero point. "
                    "Give a file that takes uint8 pixels or floats; a .tflite file runs with -f tflite."
                )
            if channels in (3, None):
                fed = _fed(path, dtype, normalisation, quantisation, metadata)
                size = None if height is None or width is None else (height, width)
                blue_first = (normalisation or fed.normalisation).channel_order == "bgr"
                return InputForm(
                    name, dims[0], size, channels_first, fed.table, fed.meaning, fed.normalisation, fed.found_by,
                    reversed=blue_first,
                )  # fmt: skip
    raise UserError(
        f"{path} does not take images: its inputs are {found}. One input [N, H, W, 3] of uint8 pixels, or of "
        f"float32 or int8 numbers that mean {normalisation or MOBILENET_SSD}, is needed."
    )


def _fed(
    path: Path,
    dtype: str,
    stated: Normalisation | None,
    quantisation: tuple[float, int] | None,
    metadata: Normalisation | None,
) -> _Fed:
    known, found_by = stated, "stated"
    if known is None and metadata is not None:
        known, found_by = metadata, "found by the file's own metadata"
    if dtype in ("float32", "float16"):
        used = known or MOBILENET_SSD
        meaning = f"{dtype}, {used}, done within the network call"
        return _Fed(_reals(used).astype(dtype), meaning, used, found_by if known else "")
    if quantisation is None or quantisation[0] <= 0:
        return _Fed(None, "uint8 pixels", known or Normalisation(1, 0), BY_TYPE)
    low, high = quantised_ends(dtype, quantisation)
    if known is None or (stated is None and not _fits(known, low, high)):
        fitting = [(name, n) for name, n in usual_normalisations().items() if _fits(n, low, high)]
        if len(fitting) != 1:
            raise UserError(
                f"The {dtype} input of {path} holds numbers from {low:.3g} to {high:.3g}, which is not the range of a "
                "usual normalisation: state the `mean` and `std` of its pixels (in pixel units, one or three numbers)."
            )
        ((name, known),) = fitting
        found_by = f"found by the range of its quantisation, {low:.3g} to {high:.3g}: {name}"
    elif not _fits(known, low, high):
        least, most = known.ends
        raise UserError(
            f"The {dtype} input of {path} holds numbers from {low:.3g} to {high:.3g}, but {known} is stated, which is "
            f"{least:.3g} to {most:.3g}: state the `mean` and `std` of its pixels that fit (in pixel units, one or "
            "three numbers), or neither if the range is a usual one."
        )
    if dtype == "uint8" and isinstance(known.scale, float | int) and isinstance(known.offset, float | int):
        # Its range is that of pixels, so that each is fed as it is.
        return _Fed(None, f"uint8 pixels, which mean {known} inside", known, found_by)
    scale, zero_point = quantisation
    limits = np.iinfo(dtype)
    table = np.clip(np.rint(_reals(known) / np.float32(scale)) + zero_point, limits.min, limits.max).astype(dtype)
    return _Fed(table, f"{dtype}, {known} quantised within the network call", known, found_by)


def _reals(normalisation: Normalisation) -> Float32:
    """What each pixel value becomes in each channel: float32 [256, 3]."""
    scales, offsets = (np.array(three, np.float32) for three in (normalisation.scales, normalisation.offsets))
    values: Float32 = np.arange(256, dtype=np.float32)[:, np.newaxis] * scales + offsets
    return values


def quantised_ends(dtype: str, quantisation: tuple[float, int]) -> tuple[float, float]:
    """The least and the greatest number that a quantised input can hold."""
    scale, zero_point = quantisation
    limits = np.iinfo(dtype)
    return (limits.min - zero_point) * scale, (limits.max - zero_point) * scale


def _fits(normalisation: Normalisation, low: float, high: float) -> bool:
    """Whether a quantised range is that of a normalisation, but for what calibration may have narrowed."""
    least, most = normalisation.ends
    shared = max(min(most, high) - max(least, low), 0.0)
    return shared >= (1 - _CUT_OFF) * (most - least) and shared >= (1 - _UNUSED) * (high - low)


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape in words, `?` for a free dimension."""
    return "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"
