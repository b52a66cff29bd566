"""COCO annotations of objects: records and checked reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from msgspec import UNSET, Struct

from ssdbench.arrays import Float64, Int64, places
from ssdbench.coco.box_form import box_form_notes
from ssdbench.coco.categories import Category
from ssdbench.coco.entries import (
    LARGEST_LENGTH,
    Fault,
    box_of,
    column_id,
    entries_of,
    id_of,
    shown,
    text_of,
)
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.json_file import decode_file, file_text
from ssdbench.coco.objects import Annotation, Objects
from ssdbench.coco.sound_rows import SoundBox, Unusual, columns, decode_sound, ids, require, require_within
from ssdbench.errors import UserError

T = TypeVar("T")
D = TypeVar("D", "_Rows", "_SoundDocument")

_REMEDY = "Give a COCO file with boxes, such as instances_val2017.json."


@dataclass(frozen=True)
class Annotations:
    """A checked file of COCO annotations; its images have no sha256 yet.

    notes: what is unusual in it. large_ids: {id here: id in the file} of the images and categories whose ids are too
    large for arrays; `column_id` says how they are replaced.
    """

    categories: tuple[Category, ...]
    images: tuple[ImageRecord, ...]
    annotations: Objects
    notes: tuple[str, ...]
    large_ids: Mapping[int, int] = field(default_factory=dict)


def read_annotations(path: Path) -> Annotations:
    """Read and check COCO annotations: `instances` files, and others whose annotations have boxes.

    Boxes of no width or height, and boxes beyond the image, are kept: pycocotools counts them too. A missing
    `iscrowd` is 0; a missing `area` becomes width x height, with a note.

    Raises:
        UserError: the file does not hold COCO annotations with boxes, or an entry makes no sense; the message names it.
    """
    try:
        return _annotations(path, decode_sound(file_text(path), _SoundDocument), _sound_objects)
    except Unusual:
        return _annotations(path, _read_document(path), _checked_objects)


def _annotations(path: Path, document: D, objects_of: Callable[[Path, D, Int64, Int64], _Found]) -> Annotations:
    """Check a file's content.

    objects_of: makes the objects of the path, the document and the ids of images and categories, int64.
    """
    large: dict[int, int] = {}
    categories = _distinct(path, "categories", document.categories, _category, large)
    images = _distinct(path, "images", document.images, _image, large)
    found = objects_of(path, document, _ids(images), _ids(categories))
    if not images:
        raise UserError(f"{path} lists no images. Give the annotations of the images to evaluate.")
    objects = found.objects
    flat = int((objects.box[:, 2:].min(axis=1, initial=1) == 0).sum())
    notes = []
    if found.without_area:
        notes.append(f"{found.without_area} annotations have no area: that of the box stands in for the mask's.")
    if flat:
        notes.append(f"{flat} annotated boxes have no width or no height: no detection can match them.")
    notes += box_form_notes(objects.box, _sizes(objects, images))
    counts = Counter(objects.category_id.tolist())
    return Annotations(
        tuple(replace(category, objects=counts[category.id]) for category in categories),
        tuple(images),
        objects,
        tuple(notes),
        large,
    )


def _ids(entries: Sequence[ImageRecord | Category]) -> Int64:
    return np.array([entry.id for entry in entries], np.int64)


def _sizes(objects: Objects, images: Sequence[ImageRecord]) -> Float64:
    """The width and height of each object's image: float64 [N, 2]."""
    sizes = np.array([(image.width, image.height) for image in images], np.float64)
    return sizes[places(_ids(images), objects.image_id)]


class _ImageRow(Struct, gc=False):
    id: Any = UNSET
    file_name: Any = UNSET
    width: Any = UNSET
    height: Any = UNSET


class _CategoryRow(Struct, gc=False):
    id: Any = UNSET
    name: Any = UNSET


class _AnnotationRow(Struct, gc=False):
    """The masks' outlines, most of a COCO file, are skipped."""

    id: Any = UNSET
    image_id: Any = UNSET
    category_id: Any = UNSET
    bbox: Any = UNSET
    area: Any = UNSET
    iscrowd: Any = UNSET
    caption: Any = UNSET
    segments_info: Any = UNSET


class _Document(Struct):
    images: list[_ImageRow] | None = None
    annotations: list[_AnnotationRow] | None = None
    categories: list[_CategoryRow] | None = None


@dataclass(frozen=True)
class _Rows:
    images: list[_ImageRow]
    categories: list[_CategoryRow]
    annotations: list[_AnnotationRow]


class _SoundRow(Struct, gc=False):
    """An annotation without fault, if its numbers are in bounds, and its image and category are there."""

    id: float
    image_id: float
    category_id: float
    bbox: SoundBox
    area: float
    iscrowd: float = 0.0


class _SoundDocument(Struct):
    images: list[_ImageRow]
    categories: list[_CategoryRow]
    annotations: list[_SoundRow]


@dataclass(frozen=True)
class _Found:
    """The objects of a file, and how many of them have no area in it."""

    objects: Objects
    without_area: int


def _read_document(path: Path) -> _Rows:
    """The rows of a file of COCO annotations, checked as far as its top level goes."""
    document = decode_file(path, _Document)
    for row in (document.annotations or ())[:1]:
        for key, kind in (("caption", "captions"), ("segments_info", "panoptic segments")):
            if row.bbox is UNSET and getattr(row, key) is not UNSET:
                raise UserError(f"{path} holds COCO {kind}, which have no boxes. {_REMEDY}")
    for section in ("images", "annotations", "categories"):
        if getattr(document, section) is None:
            raise UserError(f"{path} is not COCO annotations: it lacks the list {section!r}. {_REMEDY}")
    return _Rows(document.images or [], document.categories or [], document.annotations or [])


def _distinct(
    path: Path, section: str, rows: Sequence[Any], build: Callable[[Any], T], large: dict[int, int]
) -> list[T]:
    """The entries of a section, no two with the same id; `large` takes the ids that `column_id` replaces."""
    seen: set[int] = set()

    def build_new(row: Any) -> T:
        entry, number = build(row), id_of(row, "id")
        here = column_id(number)
        if here in seen:
            raise Fault(f".id is {number}, which an earlier entry has already")
        seen.add(here)
        if here != number:
            large[here] = number
        return entry

    return list(entries_of(path, section, rows, build_new))


def _sound_objects(path: Path, document: _SoundDocument, image_ids: Int64, category_ids: Int64) -> _Found:
    """What `_checked_objects` finds, in a fifth of the time; raises Unusual if a row has a fault or is unusual."""
    rows = columns(_SoundRow, [document.annotations], len(document.annotations))
    objects = Objects(
        id=ids(rows["id"]),
        image_id=ids(rows["image_id"]),
        category_id=ids(rows["category_id"]),
        box=rows["bbox"],
        area=rows["area"],
        crowd=rows["iscrowd"] == 1,
    )
    require(np.diff(np.sort(objects.id)) > 0)
    require(places(image_ids, objects.image_id) >= 0)
    require(places(category_ids, objects.category_id) >= 0)
    require_within(objects.box, -LARGEST_LENGTH, LARGEST_LENGTH)
    require_within(objects.box[:, 2:], 0, LARGEST_LENGTH)
    require_within(objects.area, 0, LARGEST_LENGTH**2)
    require(objects.crowd | (rows["iscrowd"] == 0))
    return _Found(objects, without_area=0)


def _checked_objects(path: Path, document: _Rows, image_ids: Int64, category_ids: Int64) -> _Found:
    """The objects of rows of any kind, checked one by one."""
    images, categories = set(image_ids.tolist()), set(category_ids.tolist())
    rows = _distinct(path, "annotations", document.annotations, lambda row: _annotation(row, images, categories), {})
    return _Found(Objects.of(rows), without_area=sum(row.area is UNSET for row in document.annotations))


def _category(row: _CategoryRow) -> Category:
    return Category(column_id(id_of(row, "id")), text_of(row, "name"))


def _image(row: _ImageRow) -> ImageRecord:
    name = text_of(row, "file_name")
    if name.startswith("/") or (".." in name and ".." in PurePosixPath(name).parts):
        raise Fault(f".file_name is {shown(name)}, which leaves the folder of the images")
    width, height = id_of(row, "width"), id_of(row, "height")
    if not (1 <= width <= LARGEST_LENGTH and 1 <= height <= LARGEST_LENGTH):
        raise Fault(f" has a width of {width} and a height of {height} pixels")
    return ImageRecord(column_id(id_of(row, "id")), name, width, height, "")


def _annotation(row: _AnnotationRow, image_ids: set[int], category_ids: set[int]) -> Annotation:
    identity, image_id, category_id = id_of(row, "id"), id_of(row, "image_id"), id_of(row, "category_id")
    if column_id(image_id) not in image_ids:
        raise Fault(f".image_id is {image_id}, but there is no such image")
    if column_id(category_id) not in category_ids:
        raise Fault(f".category_id is {category_id}, but there is no such category")
    box = box_of(row)
    if box[2] < 0 or box[3] < 0:
        raise Fault(f".bbox is {shown(row.bbox)}: its width or height is negative")
    area = box[2] * box[3] if row.area is UNSET else row.area
    if not (type(area) in (int, float) and 0 <= area <= LARGEST_LENGTH**2):
        raise Fault(f".area is {shown(area)}, not a number of pixels")
    crowd = 0 if row.iscrowd is UNSET else row.iscrowd
    if crowd not in (0, 1):
        raise Fault(f".iscrowd is {shown(crowd)}, neither 0 nor 1")
    return Annotation(column_id(identity), column_id(image_id), column_id(category_id), box, float(area), bool(crowd))
