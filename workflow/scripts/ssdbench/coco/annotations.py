"""COCO instance annotations and image lists: records, checked reading, writing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from ssdbench.coco.entries import LARGEST_LENGTH, Box, Fault, box_of, entries_of, id_of, shown, text_of
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.json_stream import read_pieces
from ssdbench.errors import UserError

T = TypeVar("T")


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


def _distinct(path: Path, section: str, rows: list[Any], build: Callable[[dict[str, Any]], T]) -> list[T]:
    """The entries of a section, no two with the same id."""
    seen: set[int] = set()

    def build_new(row: dict[str, Any]) -> T:
        entry = build(row)
        if row["id"] in seen:
            raise Fault(f".id is {row['id']}, which an earlier entry has already")
        seen.add(row["id"])
        return entry

    return list(entries_of(path, section, rows, build_new))


def _category(row: Mapping[str, Any]) -> Category:
    return Category(id_of(row, "id"), text_of(row, "name"))


def _image(row: Mapping[str, Any]) -> ImageRecord:
    name = text_of(row, "file_name")
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise Fault(f".file_name is {shown(name)}, which leaves the folder of the images")
    width, height = id_of(row, "width"), id_of(row, "height")
    if width < 1 or height < 1:
        raise Fault(f" has a width of {width} and a height of {height} pixels")
    return ImageRecord(id_of(row, "id"), name, width, height, "")


def _annotation(row: Mapping[str, Any], image_ids: set[int], category_ids: set[int]) -> Annotation:
    identity, image_id, category_id = id_of(row, "id"), id_of(row, "image_id"), id_of(row, "category_id")
    if image_id not in image_ids:
        raise Fault(f".image_id is {image_id}, but there is no such image")
    if category_id not in category_ids:
        raise Fault(f".category_id is {category_id}, but there is no such category")
    box = box_of(row)
    if box[2] < 0 or box[3] < 0:
        raise Fault(f".bbox is {shown(row['bbox'])}: its width or height is negative")
    area = row.get("area", box[2] * box[3])
    if not (type(area) in (int, float) and 0 <= area <= LARGEST_LENGTH**2):
        raise Fault(f".area is {shown(area)}, not a number of pixels")
    crowd = row.get("iscrowd", 0)
    if crowd not in (0, 1):
        raise Fault(f".iscrowd is {shown(crowd)}, neither 0 nor 1")
    return Annotation(identity, image_id, category_id, box, float(area), bool(crowd))
