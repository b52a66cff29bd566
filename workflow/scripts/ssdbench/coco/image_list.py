"""The images of a dataset tag: which they are, where they lie, their hashes."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

from ssdbench.errors import UserError
from ssdbench.files.reading import read_json
from ssdbench.files.writing import write_json


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


_COCO_NAME = re.compile(r"(?:^|/|_)(\d{12})\.jpg$")


def coco_id(file_name: str) -> int | None:
    """The COCO id in a file name such as 000000000139.jpg or COCO_val2014_000000000139.jpg, else None."""
    match = _COCO_NAME.search(file_name)
    return int(match[1]) if match else None
