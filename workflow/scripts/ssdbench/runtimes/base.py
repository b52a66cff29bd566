"""What the sessions of all frameworks share: the class, the form of the input, the meaning of the outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float32, UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.errors import UserError

GraphKind = Literal["heads", "graph"]
Shape = tuple[int | None, ...]

HEADS_OUTPUTS = ("box_encodings", "class_scores")
GRAPH_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")

# More of an int8 input's range than this share may not be cut off: calibration narrows it by a little at most.
_CUT_OFF = 0.25


@dataclass(frozen=True)
class InputForm:
    """How the one input of a model file wants its images.

    batch, size: None where any will do. table: [256], the fed value of each pixel value, or None where pixels
    go in as they are. channels_first: NCHW instead of NHWC.
    """

    name: str
    batch: int | None
    size: int | None
    channels_first: bool
    table: NDArray[Any] | None
    meaning: str

    def feed(self, pixels: UInt8) -> NDArray[Any]:
        """The array to feed for uint8 pixels [N, S, S, 3]: the same array where the file takes pixels."""
        array: NDArray[Any] = pixels if self.table is None else np.take(self.table, pixels)
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if self.channels_first else array


@dataclass(frozen=True)
class Options:
    """How a file is opened. threads: of the framework's pools. normalisation: what an input means that is not of
    uint8 pixels. precision: the cell's, for frameworks that compute in one of several whatever the file holds.
    variant: what stands after the hyphen of the framework's name.
    """

    threads: int
    normalisation: Normalisation
    precision: str
    variant: str = ""


class Session(ABC):
    """One loaded model file, ready to run in the threads it was opened with.

    Channel order is the caller's: pixels are handed on as they come. Returned arrays are the caller's to
    keep; later runs do not change them.
    """

    def __init__(self, path: Path, threads: int, graph_kind: GraphKind, form: InputForm) -> None:
        self.path, self.threads, self.graph_kind, self.form = path, threads, graph_kind, form

    @property
    def input_size(self) -> int | None:
        """Side of the square input in pixels; None where the graph takes any size."""
        return self.form.size

    @property
    def batch(self) -> int | None:
        """Number of images in one call; None where the graph takes any number."""
        return self.form.batch

    @abstractmethod
    def infer(self, pixels: UInt8) -> Heads | Finished:
        """The framework's own call on uint8 pixels [N, S, S, 3], with what any user of it would pay: this is
        what a timing calls the network. Nothing is checked."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What really runs: runtime, version, provider or delegate, threads_set, input, and what the runtime
        changed in the graph. May take a second: call it outside of a timing."""

    def run(self, pixels: UInt8) -> Heads | Finished:
        """`infer` with its input and output checked.

        Raises:
            UserError: the file takes another batch or size, or it returned numbers that are not finite.
        """
        n, height, width = pixels.shape[:3]
        size, batch = self.form.size, self.form.batch
        if n != (batch or n) or (height, width) != ((size, size) if size else (height, width)):
            raise UserError(
                f"{self.path} takes {batch or 'any number of'} image(s) a call of "
                f"{f'{size}x{size}' if size else 'any'} pixels, but was given {n} of {width}x{height}. "
                "Use another batch or input size."
            )
        output = self.infer(pixels)
        arrays = (output.encodings, output.scores) if isinstance(output, Heads) else (output.boxes, output.scores)
        bad = sum(map(_not_finite, arrays))
        if bad:
            raise UserError(
                f"{self.path} returned NaN or infinite values ({bad} of {sum(a.size for a in arrays)}). "
                "The file is damaged or its conversion overflowed: make it again."
            )
        return output


def _not_finite(array: Float32) -> int:
    """How many numbers are NaN or infinite."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(array.sum()):  # only where all its parts are, and sooner known than by a look at each
            return 0
    return array.size - int(np.count_nonzero(np.isfinite(array)))


def input_form(
    path: Path,
    inputs: Mapping[str, tuple[str, Shape]],
    normalisation: Normalisation,
    quantisation: tuple[float, int] | None = None,
) -> InputForm:
    """How to feed a file whose inputs are {name: (numpy dtype name, shape)}, None for a free dimension.

    uint8 takes pixels. float32 and float16 take normalised pixels, and so does int8, through its
    `quantisation` (scale, zero point; real = (q - zero point) * scale).

    Raises:
        UserError: not exactly one square image input of three channels, another dtype, or an int8 input whose
            range is not that of normalised pixels.
    """
    found = ", ".join(f"{name} {dtype} {_text(shape)}" for name, (dtype, shape) in inputs.items()) or "none"
    if len(inputs) == 1:
        ((name, (dtype, shape)),) = inputs.items()
        dims = shape or (None,) * 4  # an unknown rank is an image of any size
        table, meaning = _fed_values(path, dtype, normalisation, quantisation)
        if meaning and len(dims) == 4:
            channels_first = dims[1] == 3 and dims[3] != 3
            height, width, channels = dims[2:] + dims[1:2] if channels_first else dims[1:]
            if height == width and channels in (3, None):
                return InputForm(name, dims[0], height, channels_first, table, meaning)
    raise UserError(
        f"{path} does not take images: its inputs are {found}. One input [N, S, S, 3] of uint8 pixels, or of "
        f"float32 or int8 numbers that mean {normalisation}, is needed."
    )


def _fed_values(
    path: Path, dtype: str, normalisation: Normalisation, quantisation: tuple[float, int] | None
) -> tuple[NDArray[Any] | None, str]:
    real = np.arange(256).astype(np.float32) * np.float32(normalisation.scale) + np.float32(normalisation.offset)
    if dtype == "uint8":
        return None, "uint8 pixels"
    if dtype in ("float32", "float16"):
        return real.astype(dtype), f"{dtype}, {normalisation}, done within the network call"
    if dtype == "int8" and quantisation and quantisation[0] > 0:
        scale, zero_point = quantisation
        wanted = np.rint(real / np.float32(scale)) + zero_point
        table = np.clip(wanted, -128, 127).astype(np.int8)
        if np.mean(table != wanted) > _CUT_OFF:
            low, high = ((end - zero_point) * scale for end in (-128, 127))
            raise UserError(
                f"The int8 input of {path} holds numbers from {low:.3g} to {high:.3g}, which {normalisation} exceeds: "
                "state the scale and offset of its images as `input` of the model's registry row."
            )
        return table, f"int8, {normalisation} quantised within the network call"
    return None, ""


def find_outputs(path: Path, outputs: Mapping[str, Shape]) -> tuple[GraphKind, tuple[str, ...]]:
    """Tell a file's graph kind from its outputs {name: shape}, and which is which.

    Names decide (the last part of a path, without ":0"); where they do not, two outputs [N, A, 4] and
    [N, A, C + 1] are heads.

    Returns:
        the graph kind with the outputs' names in the order of HEADS_OUTPUTS or GRAPH_OUTPUTS.
    Raises:
        UserError: they are neither; it lists what was found.
    """
    plain = {name.split(":")[0].rsplit("/", 1)[-1]: name for name in outputs}
    if all(name in plain for name in GRAPH_OUTPUTS):
        return "graph", tuple(plain[name] for name in GRAPH_OUTPUTS)
    if all(name in plain for name in HEADS_OUTPUTS):
        return "heads", tuple(plain[name] for name in HEADS_OUTPUTS)
    boxes = [name for name, shape in outputs.items() if len(shape) == 3 and shape[2] == 4]
    others = [name for name, shape in outputs.items() if len(shape) == 3 and shape[2] != 4]
    if len(outputs) == 2 and len(boxes) == 1 and len(others) == 1:
        return "heads", (boxes[0], others[0])
    found = ", ".join(f"{name} {_text(shape)}" for name, shape in outputs.items()) or "none"
    raise UserError(
        f"{path} is not an SSD that can be run: its outputs are {found}. Needed are "
        f"{' and '.join(HEADS_OUTPUTS)} ([N, A, 4] and [N, A, C + 1]), or {', '.join(GRAPH_OUTPUTS)}."
    )


def finished(outputs: Sequence[NDArray[Any]], zero_based: bool) -> Finished:
    """Detections from a graph's boxes, classes, scores and counts, whatever their exact ranks.

    zero_based: the graph counts classes from 0, so that 1 is added; else it gives COCO ids.
    """
    boxes, classes, scores, counts = outputs
    boxes = boxes.reshape(-1, boxes.shape[-2], 4).astype(np.float32, copy=False)
    n, kept = boxes.shape[:2]
    with np.errstate(invalid="ignore"):  # NaN is reported by Session.run, from the boxes and scores
        class_ids = np.rint(classes).astype(np.int64).reshape(n, kept) + int(zero_based)
        found = np.clip(counts.astype(np.int64).reshape(n), 0, kept)
    return Finished(boxes, class_ids, scores.reshape(n, kept).astype(np.float32, copy=False), found)


def unloadable(path: Path, framework: str, error: Exception) -> UserError:
    """The error for a file that its framework refuses, with the first line of the framework's own words."""
    words = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(". ")
    return UserError(
        f"{path} cannot be loaded by {framework}: {words}. Check that it is a whole {framework} model file."
    )


def _text(shape: Sequence[int | None]) -> str:
    return "[" + ", ".join("?" if d is None else str(d) for d in shape) + "]"
