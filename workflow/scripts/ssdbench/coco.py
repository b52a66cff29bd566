"""COCO instance annotations and detections: records, checked reading, writing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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


@dataclass(frozen=True)
class Detection:
    """One finished detection: box [x, y, w, h] in pixels of the stored image, COCO category id, score."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float
