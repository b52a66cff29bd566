"""The images of a dataset tag: which they are, where they lie, their hashes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ssdbench.coco.categories import Category
from ssdbench.files.origin import damaged
from ssdbench.files.reading import read_json
from ssdbench.files.writing import write_json


@dataclass(frozen=True)
class ImageRecord:
    """One image of an image list: its id, its file and its size in pixels.

    orientation: how the stored pixels are turned to be the image, in EXIF's numbers: 1 for not at all. width, height:
    of the turned image.
    """

    id: int
    file_name: str
    width: int
    height: int
    sha256: str
    orientation: int = 1


@dataclass(frozen=True)
class ImageList:
    """The images of one dataset tag, in evaluation order, and where they lie.

    orientation: which pixels the annotated boxes are in, `stored` or `displayed` (turned as EXIF says). categories: of
    the annotations. large_ids: {id here: id in the annotations}, as `Annotations` has it.
    """

    tag: str
    dataset: str
    folder: Path
    annotations: Path | None
    annotations_sha256: str
    images: tuple[ImageRecord, ...]
    notes: tuple[str, ...]
    orientation: str = "stored"
    categories: tuple[Category, ...] = ()
    large_ids: Mapping[int, int] = field(default_factory=dict)


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
            # Lists of result folders from before these keys were of pixels as stored.
            orientation=document.get("orientation", "stored"),
            categories=tuple(Category(**row) for row in document.get("categories", ())),
            large_ids={int(key): value for key, value in document.get("large_ids", {}).items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(path, "is not an image list") from error


_COCO_NAME = re.compile(r"(?:^|/|_)(\d{12})\.jpg$")


def coco_id(file_name: str) -> int | None:
    """The COCO id in a file name such as 000000000139.jpg or COCO_val2014_000000000139.jpg, else None."""
    match = _COCO_NAME.search(file_name)
    return int(match[1]) if match else None
