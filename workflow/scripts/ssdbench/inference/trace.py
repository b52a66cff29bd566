"""What a cell saw, kept beside its detections: a digest of the pixels of every image, and the raw heads of a few.

From two such files and the detections comes the parity ladder, without running anything again.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssdbench.arrays import Float32, Int64, UInt8, spread
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.files.origin import damaged
from ssdbench.files.writing import atomic_path

_MOST_IMAGES = 32  # whose heads are kept
_MOST_BYTES = 32 << 20  # of heads, unless those of one image are more


# What numpy, zipfile and zlib raise on spoilt bytes; RuntimeError: a method of packing, or a password, that they lack.
_UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, OverflowError, MemoryError, RuntimeError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """What one cell saw of a list of N images, and the raw heads of K of them; K is 0 where the graph hides them.

    image_ids: int64 [N]. pixels: uint8 [N, 32], sha256 as `pixel_hash` has it. heads_ids: int64 [K].
    encodings: float32 [K, A, 4]. scores: float32 [K, A, C + 1].
    """

    image_ids: Int64
    pixels: UInt8
    heads_ids: Int64
    encodings: Float32
    scores: Float32


class Recorder:
    """Takes down what a session is fed and gives, image by image, in the order of the list."""

    def __init__(self, count: int, first: int = 0) -> None:
        """count: of the list's images; the heads are taken of images spread evenly over them. first: the place in
        the list of the first image that comes."""
        self._count, self._first = count, first
        self._kept: frozenset[int] = frozenset()
        self._ids: list[int] = []
        self._pixels: list[bytes] = []
        self._heads_ids: list[int] = []
        self._heads: list[Heads] = []

    def add(self, image_id: int, pixels: UInt8, output: Heads | Finished) -> None:
        """pixels: uint8 [S, S, 3], as fed. output: of this image alone, N = 1."""
        index = self._first + len(self._ids)
        self._ids.append(image_id)
        self._pixels.append(bytes.fromhex(pixel_hash(pixels)))
        if not isinstance(output, Heads):
            return
        if not self._kept:
            fitting = _MOST_BYTES // (output.encodings.nbytes + output.scores.nbytes)
            self._kept = frozenset(spread(self._count, max(min(fitting, _MOST_IMAGES), 1)))
        if index in self._kept:
            self._heads_ids.append(image_id)
            self._heads.append(output)

    def result(self) -> Trace:
        """What was taken down so far."""
        return Trace(
            image_ids=np.array(self._ids, np.int64),
            pixels=np.frombuffer(b"".join(self._pixels), np.uint8).reshape(-1, 32),
            heads_ids=np.array(self._heads_ids, np.int64),
            encodings=_joined([heads.encodings for heads in self._heads]),
            scores=_joined([heads.scores for heads in self._heads]),
        )


def join_traces(parts: Sequence[Trace]) -> Trace:
    """What a cell saw of a list whose parts were seen one after the other."""
    with_heads = [part for part in parts if len(part.heads_ids)]
    return Trace(
        image_ids=np.concatenate([part.image_ids for part in parts]),
        pixels=np.concatenate([part.pixels for part in parts]),
        heads_ids=np.concatenate([part.heads_ids for part in parts]),
        encodings=_joined([part.encodings for part in with_heads]),
        scores=_joined([part.scores for part in with_heads]),
    )


def pixel_hash(pixels: UInt8) -> str:
    """sha256 in hex of network pixels and their shape."""
    digest = hashlib.sha256(f"{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def write_trace(path: Path, cell: Trace) -> None:
    """Write what a cell saw as .npz, atomically."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **vars(cell))


def read_trace(path: Path) -> Trace:
    """Read what `write_trace` wrote.

    Raises:
        UserError: the file is missing or not one of these.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return Trace(**{name: file[name] for name in Trace.__dataclass_fields__})
    except _UNREADABLE as error:
        raise damaged(path, "cannot be read as what a cell saw") from error


def _joined(parts: Sequence[Float32]) -> Float32:
    """One image's heads after the other: float32 [K, A, ...]."""
    return np.concatenate(parts) if parts else np.zeros((0, 0, 0), np.float32)
