"""Image lists: which images a dataset tag stands for, with their sizes and hashes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ssdbench.coco.image_list import ImageRecord, coco_id
from ssdbench.errors import UserError
from ssdbench.images.pixels import decode_image, read_image, stored_size
from ssdbench.jobs.progress import track

_LOG = logging.getLogger(__name__)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def inspect(folder: Path, wanted: Sequence[ImageRecord], threads: int = 2) -> list[ImageRecord]:
    """The records with the sha256 of their files in `folder`, each read and decoded once to see that it is whole.

    Raises:
        UserError: a file is missing, damaged, no image, or has another size than its record says.
    """

    def inspected(record: ImageRecord) -> ImageRecord:
        path = folder / record.file_name
        data = read_image(path)
        decode_image(data, record, path)
        return replace(record, sha256=hashlib.sha256(data).hexdigest())

    with ThreadPoolExecutor(threads) as pool:
        return list(track(pool.map(inspected, wanted), "checking images", len(wanted)))


def folder_records(folder: Path) -> list[ImageRecord]:
    """Records of the image files in a folder that has no annotations, with their sizes and without hashes.

    The id is the COCO id where every file is named as COCO names its files, each another; else the place of the file's
    name among the others, from 1.

    Raises:
        UserError: the folder does not exist, holds no image, or a file is no image.
    """
    files = image_files(folder)
    names = [path.relative_to(folder).as_posix() for path in files]
    coco_ids = [found for name in names if (found := coco_id(name)) is not None]
    ids = coco_ids if len(set(coco_ids)) == len(names) else range(1, len(names) + 1)
    sizes = [stored_size(read_image(path), path) for path in files]
    return [ImageRecord(i, name, *size, "") for i, name, size in zip(ids, names, sizes, strict=True)]


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder, by name, subfolders included.

    Raises:
        UserError: the folder does not exist or holds no image file.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder that holds the images.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not files:
        raise UserError(f"{folder} holds no image file ({', '.join(_SUFFIXES)}).")
    return files
