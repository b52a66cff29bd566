"""COCO annotations of objects: records and checked reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType, ValidationError, convert

from ssdbench.arrays import Float64
from ssdbench.coco.box_form import box_form_notes
from ssdbench.coco.categories import Category
from ssdbench.coco.entries import (
    LARGEST_LENGTH,
    Box,
    Fault,
    SoundId,
    SoundLength,
    box_of,
    column_id,
    entries_of,
    id_of,
    shown,
    text_of,
)
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.json_file import decode_file
from ssdbench.errors import UserError

T = TypeVar("T")

_REMEDY = "Give a COCO file with boxes, such as instances_val2017.json."


@dataclass(frozen=True, slots=True)
class Annotation:
    """One true object: box [x, y, w, h] and area of its mask in pixels of the image as it is read, crowd or not."""

    id: int
    image_id: int
    category_id: int
    bbox: Box
    area: float
    iscrowd: bool


@dataclass(frozen=True)
class Annotations:
    """A checked file of COCO annotations; its images have no sha256 yet.

    notes: what is unusual in it. large_ids: {id here: id in the file} of the images and categories whose ids are too
    large for arrays; `column_id` says how they are replaced.
    """

    categories: tuple[Category, ...]
    images: tuple[ImageRecord, ...]
    annotations: tuple[Annotation, ...]
    notes: tuple[str, ...]
    large_ids: Mapping[int, int] = field(default_factory=dict)


def read_annotations(path: Path) -> Annotations:
    """Read and check COCO annotations: `instances` files, and others whose annotations have boxes.

    Boxes of no width or height, and boxes beyond the image, are kept: pycocotools counts them too. A missing
    `iscrowd` is 0; a missing `area` becomes width x height, with a note.

    Raises:
        UserError: the file does not hold COCO annotations with boxes, or an entry makes no sense; the message names it.
    """
    document = _read_document(path)
    large: dict[int, int] = {}
    categories = _distinct(path, "categories", document.categories, _category, large)
    images = _distinct(path, "images", document.images, _image, large)
    image_ids, category_ids = {image.id for image in images}, {category.id for category in categories}
    annotations = _sound_annotations(document.annotations, image_ids, category_ids)
    if annotations is None:
        annotations = _distinct(
            path, "annotations", document.annotations, lambda row: _annotation(row, image_ids, category_ids), {}
        )
    if not images:
        raise UserError(f"{path} lists no images. Give the annotations of the images to evaluate.")
    without_area = sum(row.area is UNSET for row in document.annotations)
    flat = sum(min(annotation.bbox[2:]) == 0 for annotation in annotations)
    notes = []
    if without_area:
        notes.append(f"{without_area} annotations have no area: that of the box stands in for the mask's.")
    if flat:
        notes.append(f"{flat} annotated boxes have no width or no height: no detection can match them.")
    notes += box_form_notes(*_boxes_and_sizes(annotations, images))
    objects = Counter(annotation.category_id for annotation in annotations)
    return Annotations(
        tuple(replace(category, objects=objects[category.id]) for category in categories),
        tuple(images),
        tuple(annotations),
        tuple(notes),
        large,
    )


def _boxes_and_sizes(annotations: Sequence[Annotation], images: Sequence[ImageRecord]) -> tuple[Float64, Float64]:
    """Boxes float64 [N, 4], and the width and height of their images float64 [N, 2]."""
    sizes = {image.id: (image.width, image.height) for image in images}
    boxes = np.fromiter(chain.from_iterable(one.bbox for one in annotations), np.float64, 4 * len(annotations))
    of_images = np.fromiter(
        chain.from_iterable(sizes[one.image_id] for one in annotations), np.float64, 2 * len(annotations)
    )
    return boxes.reshape(-1, 4), of_images.reshape(-1, 2)


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
    annotations: list[_AnnotationRow]
    categories: list[_CategoryRow]


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
    return _Rows(document.images or [], document.annotations or [], document.categories or [])


def _distinct(
    path: Path, section: str, rows: Sequence[Any], build: Callable[[Any], T], large: dict[int, int]
) -> list[T]:
    """The entries of a section, no two with the same id; `large` takes the ids that `column_id` replaces."""
    seen: set[int] = set()

    def build_new(row: Any) -> T:
        entry, number = build(row), id_of(row, "id")
        if column_id(number) in seen:
            raise Fault(f".id is {number}, which an earlier entry has already")
        seen.add(column_id(number))
        if column_id(number) != number:
            large[column_id(number)] = number
        return entry

    return list(entries_of(path, section, rows, build_new))


_Side = Annotated[float, Meta(ge=0, le=LARGEST_LENGTH)]


class _SoundAnnotation(Struct, gc=False):
    """A row without fault, if its image and category are there."""

    id: SoundId
    image_id: SoundId
    category_id: SoundId
    bbox: tuple[SoundLength, SoundLength, _Side, _Side]
    area: Annotated[float, Meta(ge=0, le=LARGEST_LENGTH**2)]
    iscrowd: Annotated[int, Meta(ge=0, le=1)] | UnsetType


def _sound_annotations(
    rows: Sequence[_AnnotationRow], image_ids: set[int], category_ids: set[int]
) -> list[Annotation] | None:
    """What `_annotation` makes of each row, in a fifth of the time; None if a row has a fault or is unusual."""
    try:
        sound = convert(rows, list[_SoundAnnotation], from_attributes=True)
    except ValidationError:
        return None
    is_distinct = len({row.id for row in sound}) == len(sound)
    if not (
        is_distinct
        and image_ids.issuperset(row.image_id for row in sound)
        and category_ids.issuperset(row.category_id for row in sound)
    ):
        return None
    return [Annotation(row.id, row.image_id, row.category_id, row.bbox, row.area, row.iscrowd == 1) for row in sound]


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
