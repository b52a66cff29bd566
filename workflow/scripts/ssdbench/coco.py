"""COCO instance annotations, image lists and detections: records and columns, checked reading, writing."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ssdbench.errors import UserError
from ssdbench.files import atomic_path, read_json, write_json
from ssdbench.json_pieces import read_pieces

_PIECE = 1 << 20  # bytes copied at once
_LARGEST_ID = 2**53  # pycocotools passes ids through float64
_LARGEST_LENGTH = 1e9

T = TypeVar("T")
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImageRecord:
    """One image of an image list: its COCO id, its file and its stored size in pixels."""

    id: int
    file_name: str
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class ImageList:
    """The images of one dataset tag, in evaluation order, and where they lie."""

    tag: str
    dataset: str
    folder: Path
    annotations: Path | None
    annotations_sha256: str
    images: tuple[ImageRecord, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Category:
    """One category: its COCO id and name."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """One true object: box [x, y, w, h] and area of its mask in pixels of the stored image, crowd or not."""

    id: int
    image_id: int
    category_id: int
    bbox: Box
    area: float
    iscrowd: bool


@dataclass(frozen=True)
class Annotations:
    """A checked COCO instances file; its images have no sha256 yet. The notes tell what is unusual in it."""

    categories: tuple[Category, ...]
    images: tuple[ImageRecord, ...]
    annotations: tuple[Annotation, ...]
    notes: tuple[str, ...]


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


class _Fault(Exception):
    """What is wrong with one entry of a file: the words that follow the entry's name."""


def read_annotations(path: Path) -> Annotations:
    """Read and check COCO instance annotations.

    Boxes of no width or height, and boxes beyond the image, are kept: pycocotools counts them too. A missing
    `iscrowd` is 0; a missing `area` becomes width x height, with a note.

    Raises:
        UserError: the file is not a COCO instances file, or an entry makes no sense; the message names it.
    """
    document = _read_instances(path)
    categories = _distinct(path, "categories", document["categories"], _category)
    images = _distinct(path, "images", document["images"], _image)
    image_ids, category_ids = {image.id for image in images}, {category.id for category in categories}
    annotations = _distinct(
        path, "annotations", document["annotations"], lambda row: _annotation(row, image_ids, category_ids)
    )
    if not images:
        raise UserError(f"{path} lists no images. Give the annotations of the images to evaluate.")
    without_area = sum("area" not in row for row in document["annotations"])
    flat = sum(min(annotation.bbox[2:]) == 0 for annotation in annotations)
    notes = []
    if without_area:
        notes.append(f"{without_area} annotations have no area: that of the box stands in for the mask's.")
    if flat:
        notes.append(f"{flat} annotated boxes have no width or no height: no detection can match them.")
    return Annotations(tuple(categories), tuple(images), tuple(annotations), tuple(notes))


def read_without_outlines(path: Path) -> Any:
    """A JSON file's content, unchecked; the rows of an object's lists without `segmentation`, most of a COCO file.

    Raises:
        UserError: the file is missing, unreadable or not JSON.
    """
    document: dict[str, Any] = {}
    for piece in read_pieces(path):
        if piece.key is None:
            return piece.value
        if not piece.is_array:
            document[piece.key] = piece.value
            continue
        for row in piece.value:
            if isinstance(row, dict):
                row.pop("segmentation", None)
        document.setdefault(piece.key, []).extend(piece.value)
    return document


def write_image_list(path: Path, images: ImageList) -> None:
    """Write an image list as JSON, atomically."""
    annotations = None if images.annotations is None else str(images.annotations)
    write_json(path, {**asdict(images), "folder": str(images.folder), "annotations": annotations})


def read_image_list(path: Path) -> ImageList:
    """Read an image list that `write_image_list` wrote.

    Raises:
        UserError: the file is missing or holds something else.
    """
    document = read_json(path)
    try:
        annotations = document["annotations"]
        return ImageList(
            tag=document["tag"],
            dataset=document["dataset"],
            folder=Path(document["folder"]),
            annotations=None if annotations is None else Path(annotations),
            annotations_sha256=document["annotations_sha256"],
            images=tuple(ImageRecord(**row) for row in document["images"]),
            notes=tuple(document["notes"]),
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is not an image list. Delete it, so that it is made again.") from error


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
            columns = Detections.of(_entries(path, "", piece.value, _detection, count))
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
    sides = all((np.abs(column) <= _LARGEST_LENGTH).all() for column in (box, score))
    whole = all((np.abs(column) < _LARGEST_ID).all() for column in (image_id, category_id))
    return Detections(image_id, category_id, box, score) if sides and whole else None


def _read_instances(path: Path) -> dict[str, Any]:
    """The document of a COCO instances file, checked as far as its top level goes, without the masks' outlines."""
    document = read_without_outlines(path)
    remedy = "Give a COCO instances file, such as instances_val2017.json."
    if not isinstance(document, dict):
        raise UserError(f"{path} is not COCO annotations: it holds no object with images. {remedy}")
    if kind := _other_kind(document):
        raise UserError(f"{path} holds COCO {kind}, not instances. {remedy}")
    for key in ("images", "annotations", "categories"):
        if not isinstance(document.get(key), list):
            raise UserError(f"{path} is not COCO annotations: it lacks the list {key!r}. {remedy}")
    return document


def _other_kind(document: Mapping[str, Any]) -> str:
    """Which other kind of COCO annotations a document holds, by its first entries; "" for none known."""
    for section, key, kind in (
        ("annotations", "caption", "captions"),
        ("annotations", "segments_info", "panoptic segments"),
        ("categories", "keypoints", "keypoints"),
    ):
        rows = document.get(section)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict) and key in rows[0]:
            return kind
    return ""


def _entries(
    path: Path, section: str, rows: Sequence[Any], build: Callable[[dict[str, Any]], T], first: int = 0
) -> Iterator[T]:
    """Yield what `build` makes of each row; `first` is the index of the first.

    Raises:
        UserError: a row is no object, or `build` finds a fault in it; the message names file and entry.
    """
    for index, row in enumerate(rows, first):
        try:
            if not isinstance(row, dict):
                raise _Fault(f" is {_shown(row)}, not an object")
            yield build(row)
        except _Fault as fault:
            raise UserError(f"{path}: {section}[{index}]{fault}. Correct or remove this entry.") from None


def _distinct(path: Path, section: str, rows: list[Any], build: Callable[[dict[str, Any]], T]) -> list[T]:
    """The entries of a section, no two with the same id."""
    seen: set[int] = set()

    def build_new(row: dict[str, Any]) -> T:
        entry = build(row)
        if row["id"] in seen:
            raise _Fault(f".id is {row['id']}, which an earlier entry has already")
        seen.add(row["id"])
        return entry

    return list(_entries(path, section, rows, build_new))


def _category(row: Mapping[str, Any]) -> Category:
    return Category(_id(row, "id"), _text(row, "name"))


def _image(row: Mapping[str, Any]) -> ImageRecord:
    name = _text(row, "file_name")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise _Fault(f".file_name is {_shown(name)}, which leaves the folder of the images")
    width, height = _id(row, "width"), _id(row, "height")
    if width < 1 or height < 1:
        raise _Fault(f" has a width of {width} and a height of {height} pixels")
    return ImageRecord(_id(row, "id"), name, width, height, "")


def _annotation(row: Mapping[str, Any], image_ids: set[int], category_ids: set[int]) -> Annotation:
    identity, image_id, category_id = _id(row, "id"), _id(row, "image_id"), _id(row, "category_id")
    if image_id not in image_ids:
        raise _Fault(f".image_id is {image_id}, but there is no such image")
    if category_id not in category_ids:
        raise _Fault(f".category_id is {category_id}, but there is no such category")
    box = _box(row)
    if box[2] < 0 or box[3] < 0:
        raise _Fault(f".bbox is {_shown(row['bbox'])}: its width or height is negative")
    area = row.get("area", box[2] * box[3])
    if not (type(area) in (int, float) and 0 <= area <= _LARGEST_LENGTH**2):
        raise _Fault(f".area is {_shown(area)}, not a number of pixels")
    crowd = row.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise _Fault(f".iscrowd is {_shown(crowd)}, neither 0 nor 1")
    return Annotation(identity, image_id, category_id, box, float(area), bool(crowd))


def _detection(row: Mapping[str, Any]) -> Detection:
    score = _value(row, "score")
    if not (type(score) in (int, float) and -_LARGEST_LENGTH <= score <= _LARGEST_LENGTH):
        raise _Fault(f".score is {_shown(score)}, not a finite number")
    return Detection(_id(row, "image_id"), _id(row, "category_id"), _box(row), float(score))


def _value(row: Mapping[str, Any], key: str) -> Any:
    try:
        return row[key]
    except KeyError:
        raise _Fault(f" lacks the key {key!r}") from None


def _id(row: Mapping[str, Any], key: str) -> int:
    value = _value(row, key)
    if type(value) is not int or not -_LARGEST_ID < value < _LARGEST_ID:
        raise _Fault(f".{key} is {_shown(value)}, not a whole number")
    return value


def _text(row: Mapping[str, Any], key: str) -> str:
    value = _value(row, key)
    try:
        if isinstance(value, str) and value.encode("utf-8") and "\0" not in value:
            return value
    except UnicodeEncodeError:
        pass
    raise _Fault(f".{key} is {_shown(value)}, not a text")


def _box(row: Mapping[str, Any]) -> Box:
    box = _value(row, "bbox")
    if isinstance(box, list) and len(box) == 4:
        x, y, width, height = box
        if all(type(v) in (int, float) and -_LARGEST_LENGTH <= v <= _LARGEST_LENGTH for v in box):
            return (float(x), float(y), float(width), float(height))
    raise _Fault(f".bbox is {_shown(box)}, not four finite numbers x, y, width, height")


def _shown(value: Any) -> str:
    return reprlib.repr(value)
