"""What the sessions of all frameworks share: the class, and the outputs as arrays."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float32, UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.errors import UserError
from ssdbench.runtimes.input_form import InputForm
from ssdbench.runtimes.output_ports import GraphKind, Ports

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """How a file is opened. threads: of the framework's pools. normalisation: what an input means that is not of
    uint8 pixels, None if nobody states it. precision: the cell's, for frameworks that compute in one of several
    whatever the file holds. variant: what stands after the hyphen of the framework's name.
    """

    threads: int
    normalisation: Normalisation | None
    precision: str
    variant: str = ""


class Session(ABC):
    """One loaded model file, ready to run in the threads it was opened with.

    Channel order is the caller's: pixels are handed on as they come. Returned arrays are the caller's to
    keep; later runs do not change them.
    """

    # Whether finished graphs of this framework count classes from 0, so that 1 is added.
    counts_from_zero = False

    def __init__(self, path: Path, threads: int, ports: Ports, form: InputForm) -> None:
        self.path, self.threads, self.ports, self.form = path, threads, ports, form
        self._anchors_first = False  # of the two outputs that may be boxes

    @property
    def graph_kind(self) -> GraphKind:
        """`heads` or `graph`."""
        return self.ports.kind

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width of the input in pixels; None where the graph takes any size."""
        return self.form.size

    @property
    def batch(self) -> int | None:
        """Number of images in one call; None where the graph takes any number."""
        return self.form.batch

    def settle_outputs(self) -> None:
        """Tell boxes and anchors apart where names and shapes do not: anchors do not depend on the image.

        Raises:
            UserError: both depend on it, or neither.
        """
        if not self.ports.unsure:
            return
        height, width = self.form.size or (64, 64)
        shape = (self.form.batch or 1, height, width, 3)
        rng = np.random.default_rng(0)
        one, other = (self.infer(rng.integers(0, 256, shape, np.uint8)) for _ in range(2))
        assert isinstance(one, Heads) and isinstance(other, Heads)
        first_is_fixed = np.array_equal(one.encodings, other.encodings)
        second_is_fixed = np.array_equal(_anchors(one), _anchors(other))
        if first_is_fixed == second_is_fixed:
            raise UserError(
                f"{self.path} has two outputs [N, A, 4], {self.ports.names[0]} and {self.ports.names[2]}, and "
                f"{'neither depends' if first_is_fixed else 'both depend'} on the image, so the boxes cannot be told "
                "from the anchors. Name the outputs box_encodings, class_scores and anchors."
            )
        self._anchors_first = first_is_fixed

    def outputs(self, arrays: Sequence[NDArray[Any]]) -> Heads | Finished:
        """What arrays in the order of the ports mean."""
        if self.ports.rows:
            return finished_rows(arrays[0])
        if self.graph_kind == "graph":
            return finished(arrays, self.counts_from_zero)
        boxes, scores = (_three_dimensions(array) for array in arrays[:2])
        if len(arrays) == 2:
            return Heads(boxes, scores)
        third = _three_dimensions(arrays[2])
        return Heads(third, scores, boxes[0]) if self._anchors_first else Heads(boxes, scores, third[0])

    @abstractmethod
    def infer(self, pixels: UInt8) -> Heads | Finished:
        """The framework's own call on uint8 pixels [N, H, W, 3], with what any user of it would pay: this is
        what a timing calls the network. Nothing is checked."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What really runs: runtime, version, provider or delegate, threads_set, input, and what the runtime
        changed in the graph. May take a second: call it outside of a timing."""

    def run(self, pixels: UInt8) -> Heads | Finished:
        """`infer` with its input and output checked.

        Raises:
            UserError: the file takes another batch or size, the framework fails in it, or it returned numbers that are
                not finite.
        """
        n, height, width = pixels.shape[:3]
        size, batch = self.form.size, self.form.batch
        if n != (batch or n) or (height, width) != (size or (height, width)):
            raise UserError(
                f"{self.path} takes {batch or 'any number of'} image(s) a call of "
                f"{f'{size[0]}x{size[1]}' if size else 'any'} pixels (height x width), but was given {n} of "
                f"{height}x{width}. Use another batch or input size."
            )
        try:
            output = self.infer(pixels)
        except (UserError, MemoryError):
            raise
        except Exception as error:  # the frameworks' exceptions share no base class
            raise _failed(self.path, error) from error
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


def _anchors(heads: Heads) -> Float32:
    assert heads.anchors is not None
    return heads.anchors


def _three_dimensions(array: NDArray[Any]) -> Float32:
    """float32 [N, A, C] of [N, A, C], [N, A, 1, C], [N, 1, A, C] or [A, C]."""
    if array.ndim == 4:
        array = array[:, 0] if array.shape[1] == 1 else array[:, :, 0]
    if array.ndim == 2:
        array = array[np.newaxis]
    return array.astype(np.float32, copy=False)


def finished_rows(rows: NDArray[Any]) -> Finished:
    """Detections from the rows of DetectionOutput (Caffe's, OpenVINO's), of one image.

    rows: [1, 1, K, 7]: image (-1 after the last), class, score, xmin, ymin, xmax, ymax, normalised.
    """
    rows = rows.reshape(1, -1, 7).astype(np.float32, copy=False)
    after_last = np.flatnonzero(rows[0, :, 0] < 0)
    count = np.array([after_last[0] if len(after_last) else rows.shape[1]], np.int64)
    return Finished(rows[..., [4, 3, 6, 5]], np.rint(rows[..., 1]).astype(np.int64), rows[..., 2], count)


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
    """The error for a file that its framework refuses, with the first line of the framework's own words.

    All of its words go to the log.
    """
    _LOG.info("%s refuses %s: %s", framework, path, error)
    return UserError(
        f"{path} cannot be loaded by {framework}: {_first_line(error)}. "
        f"Check that it is a whole {framework} model file."
    )


def _failed(path: Path, error: Exception) -> UserError:
    """The error for a file that loads and whose call fails; all of the framework's words go to the log."""
    _LOG.info("A call of %s failed.", path, exc_info=error)
    return UserError(
        f"{path} was loaded, but running it on an image failed: {_first_line(error)}. Export it again, or run it in "
        "another framework."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(". ")
