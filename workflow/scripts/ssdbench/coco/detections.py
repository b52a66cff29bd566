"""COCO detections: rows and columns, checked reading, writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray

from ssdbench.coco.entries import (
    LARGEST_LENGTH,
    Box,
    Fault,
    box_of,
    column_id,
    entries_of,
    id_of,
    shown,
    value_of,
)
from ssdbench.coco.json_file import decode_file
from ssdbench.coco.sound_rows import SoundBox, Unusual, columns, decode_sound, ids, require_within
from ssdbench.errors import UserError
from ssdbench.files.reading import json_errors
from ssdbench.files.writing import atomic_path

_PIECE = 1 << 17  # bytes read or copied at once: the rows of so many fit into a core's cache
_SHORTEST = len('{"image_id":0,"category_id":0,"bbox":[0,0,0,0],"score":0},')
_OPENING, _CLOSING = b"[", b"\n]\n"


@dataclass(frozen=True, slots=True)
class Detection:
    """One finished detection: box [x, y, w, h] in pixels of the stored image, COCO category id, score."""

    image_id: int
    category_id: int
    bbox: Box
    score: float


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections of many images as columns; as `Detection`s one by one when iterated.

    image_id, category_id: int64 [N]. box: float64 [N, 4], x y w h in pixels of the stored image. score: float64 [N].
    """

    image_id: NDArray[np.int64]
    category_id: NDArray[np.int64]
    box: NDArray[np.float64]
    score: NDArray[np.float64]

    @staticmethod
    def of(rows: Iterable[Detection]) -> Detections:
        """The columns of rows."""
        listed = list(rows)
        return Detections(
            image_id=np.array([row.image_id for row in listed], np.int64),
            category_id=np.array([row.category_id for row in listed], np.int64),
            box=np.array([row.bbox for row in listed], np.float64).reshape(-1, 4),
            score=np.array([row.score for row in listed], np.float64),
        )

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Detections:
        """Some of them: by a mask bool [N], by their places or by a slice."""
        return Detections(self.image_id[which], self.category_id[which], self.box[which], self.score[which])

    def __iter__(self) -> Iterator[Detection]:
        columns = zip(self.image_id.tolist(), self.category_id.tolist(), self.box, self.score.tolist(), strict=True)
        for image_id, category_id, box, score in columns:
            x, y, width, height = box.tolist()
            yield Detection(image_id, category_id, (x, y, width, height), score)


def write_detections(path: Path, rows: Iterable[Detection]) -> int:
    """Write a COCO results file atomically, a detection a line in the order given, and return their number.

    The same rows give the same bytes; `detections_text` says how.

    Raises:
        UserError: a number is NaN or infinite.
    """
    count = 0

    def texts() -> Iterator[str]:
        nonlocal count
        for row in rows:
            yield detections_text(
                row.image_id, [row.category_id], np.array([row.bbox]), np.array([row.score], np.float32)
            )
            count += 1

    write_detection_texts(path, texts())
    return count


def write_detection_texts(path: Path, texts: Iterable[str]) -> None:
    """Write a COCO results file atomically from what `detections_text` made of its images, in the order given."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        separator = "\n"
        for text in texts:
            if text:
                file.write(separator + text)
                separator = ",\n"
        file.write("\n]\n")


def detections_text(
    image_id: int, category_ids: Sequence[int], boxes: NDArray[np.float64], scores: NDArray[np.float32]
) -> str:
    """The lines of one image's detections in a COCO results file; "" for none.

    Coordinates are rounded to 1/10000 of a pixel: they come from float32, whose own steps are about that
    wide, while coarser ones would carry overlaps across the thresholds of COCO's metrics. Scores are written
    as float32, with as many digits as tell them apart, so their order stays.

    Args:
        category_ids: K of them. boxes: float64 [K, 4], x y w h. scores: float32 [K].

    Raises:
        UserError: a number is NaN or infinite.
    """
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise UserError(
            f"A detection in image {image_id} has a box or score that is NaN or infinite. "
            "Convert the model again, or use another precision."
        )
    return ",\n".join(
        f'{{"image_id": {image_id}, "category_id": {category_id}, '
        f'"bbox": [{x:.4f}, {y:.4f}, {width:.4f}, {height:.4f}], "score": {score}}}'
        for category_id, (x, y, width, height), score in zip(
            category_ids, boxes.tolist(), scores.astype(str).tolist(), strict=True
        )
    )


def join_detections(path: Path, parts: Sequence[Path]) -> None:
    """Write the detections of several files of `write_detections` to one, as it would have written all at once.

    Nothing is parsed, so memory does not grow with them.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as joined:
        joined.write(_OPENING)
        is_first = True
        for part in parts:
            left = part.stat().st_size - len(_OPENING) - len(_CLOSING)
            if left <= 0:  # no detections
                continue
            joined.write(b"" if is_first else b",")
            is_first = False
            with part.open("rb") as file:
                file.seek(len(_OPENING))
                while left:
                    piece = file.read(min(left, _PIECE))
                    joined.write(piece)
                    left -= len(piece)
        joined.write(_CLOSING)


class _Row(msgspec.Struct, gc=False):
    """A row without fault, if its numbers are in bounds."""

    image_id: float
    category_id: float
    bbox: SoundBox
    score: float


class _AnyRow(msgspec.Struct, gc=False):
    """A row that is not checked yet."""

    image_id: Any = msgspec.UNSET
    category_id: Any = msgspec.UNSET
    bbox: Any = msgspec.UNSET
    score: Any = msgspec.UNSET


def read_detections(path: Path) -> Detections:
    """Read and check a COCO results file; memory is that of the columns, unless a row is unusual.

    Raises:
        UserError: the file is not a list of box detections; the message names the entry.
    """
    try:
        with json_errors(path), path.open("rb") as file:
            return _read_sound(file, path.stat().st_size // _SHORTEST + 1)
    except Unusual:
        pass
    rows = decode_file(path, list[_AnyRow])
    return Detections.of(entries_of(path, "", rows, _detection))


def _read_sound(file: BinaryIO, most: int) -> Detections:
    """The rows of a file in which each is as `_Row`, at most `most`; raises Unusual."""
    found = columns(_Row, (decode_sound(text, list[_Row]) for text in _pieces(file)), most)
    for key in ("score", "bbox"):
        require_within(found[key], -LARGEST_LENGTH, LARGEST_LENGTH)
    return Detections(ids(found["image_id"]), ids(found["category_id"]), found["bbox"], found["score"])


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """A JSON list of rows in shorter lists, cut behind braces, so that only one is in memory; raises Unusual.

    A brace within a row (in a text, or of an object) makes a piece that is not JSON: only whole rows pass.
    """
    separator, rest = b"[", b""
    while block := file.read(_PIECE):
        text = rest + block
        end = text.rfind(b"}") + 1
        start = text.find(separator)
        if not end or text[:start].strip() or not text.isascii():
            raise Unusual
        yield b"".join((b"[", memoryview(text)[start + 1 : end], b"]"))
        separator, rest = b",", text[end:]
    if rest.strip() != b"]":
        raise Unusual


def _detection(row: _AnyRow) -> Detection:
    score = value_of(row, "score")
    if not (type(score) in (int, float) and -LARGEST_LENGTH <= score <= LARGEST_LENGTH):
        raise Fault(f".score is {shown(score)}, not a finite number")
    image_id, category_id = column_id(id_of(row, "image_id")), column_id(id_of(row, "category_id"))
    return Detection(image_id, category_id, box_of(row), float(score))
