"""COCO detections: rows and columns, checked reading, writing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.coco.entries import LARGEST_ID, LARGEST_LENGTH, Box, Fault, box_of, entries_of, id_of, shown, value_of
from ssdbench.coco.json_stream import read_pieces
from ssdbench.errors import UserError
from ssdbench.files.writing import atomic_path

_PIECE = 1 << 20  # bytes copied at once


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

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Detections:
        """Some of them: by a mask bool [N], or by their places."""
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
    opening, closing = b"[", b"\n]\n"
    with atomic_path(path) as temporary, temporary.open("wb") as joined:
        joined.write(opening)
        is_first = True
        for part in parts:
            left = part.stat().st_size - len(opening) - len(closing)
            if left <= 0:  # no detections
                continue
            joined.write(b"" if is_first else b",")
            is_first = False
            with part.open("rb") as file:
                file.seek(len(opening))
                while left:
                    piece = file.read(min(left, _PIECE))
                    joined.write(piece)
                    left -= len(piece)
        joined.write(closing)


def read_detections(path: Path) -> Detections:
    """Read and check a COCO results file: in pieces, so that memory is that of the columns.

    Raises:
        UserError: the file is not a list of box detections; the message names the entry.
    """
    parts: list[Detections] = []
    count = 0
    for piece in read_pieces(path):
        if piece.key is not None or not piece.is_array:
            break
        columns = _columns(piece.value)
        if columns is None:  # something is wrong, or odd: row by row
            columns = Detections.of(entries_of(path, "", piece.value, _detection, count))
        parts.append(columns)
        count += len(columns)
    if not parts:
        raise UserError(f"{path} is not a COCO results file: it holds no list. Give a list of detections.")
    return Detections(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("image_id", "category_id", "box", "score")
        )
    )


def _columns(rows: Sequence[Any]) -> Detections | None:
    """The columns of a results file's entries, where `_detection` would find no fault in one of them; else None."""
    try:
        ids = [row["image_id"] for row in rows], [row["category_id"] for row in rows]
        boxes = [row["bbox"] for row in rows]
        scores = [row["score"] for row in rows]
        numbers = {*map(type, scores), *map(type, chain.from_iterable(boxes))}
        if not (
            {*map(type, rows)} <= {dict}
            and {*map(type, chain(*ids))} <= {int}
            and {*map(type, boxes)} <= {list}
            and {*map(len, boxes)} <= {4}
            and numbers <= {int, float}
        ):
            return None
        image_id, category_id = (np.array(column, np.int64) for column in ids)
        box = np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes)).reshape(-1, 4)
        score = np.array(scores, np.float64)
    except (KeyError, TypeError, IndexError, OverflowError):
        return None
    sides = all((np.abs(column) <= LARGEST_LENGTH).all() for column in (box, score))
    whole = all((np.abs(column) < LARGEST_ID).all() for column in (image_id, category_id))
    return Detections(image_id, category_id, box, score) if sides and whole else None


def _detection(row: Mapping[str, Any]) -> Detection:
    score = value_of(row, "score")
    if not (type(score) in (int, float) and -LARGEST_LENGTH <= score <= LARGEST_LENGTH):
        raise Fault(f".score is {shown(score)}, not a finite number")
    return Detection(id_of(row, "image_id"), id_of(row, "category_id"), box_of(row), float(score))
