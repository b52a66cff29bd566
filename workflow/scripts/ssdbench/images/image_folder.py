"""Image lists: which images a dataset tag stands for, with their sizes and hashes."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ssdbench.coco.annotations import ImageRecord
from ssdbench.errors import UserError
from ssdbench.images.pixels import decode_image, read_image, stored_size
from ssdbench.jobs.progress import track

_LOG = logging.getLogger(__name__)
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_COCO_NAME = re.compile(r"(?:^|/|_)(\d{12})\.jpg$")


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


def coco_id(file_name: str) -> int | None:
    """The COCO id in a file name such as 000000000139.jpg or COCO_val2014_000000000139.jpg, else None."""
    match = _COCO_NAME.search(file_name)
    return int(match[1]) if match else None


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


def choose_calibration(
    candidates: Sequence[ImageRecord],
    count: int,
    seed: int,
    evaluation: Mapping[str, str],
    evaluation_ids: frozenset[int],
) -> list[ImageRecord]:
    """Draw the calibration images: a seeded order of the candidates without any evaluation image.

    A candidate that is an evaluation image, by COCO id or by content, is dropped and the next one takes its
    place, with a line in the log.

    Args:
        candidates: images of the calibration set, with sha256 where it is known already.
        count: how many to choose.
        seed: draws the order.
        evaluation: sha256 -> file name of the evaluation images.
        evaluation_ids: their COCO ids; empty where candidates have no COCO ids.

    Raises:
        UserError: fewer than `count` are left.
    """
    chosen: list[ImageRecord] = []
    dropped = 0
    for record in seeded_order(candidates, seed):
        if len(chosen) == count:
            break
        if coco_id(record.file_name) in evaluation_ids:
            _LOG.info("%s is dropped: its COCO id is among those of the evaluation images", record.file_name)
            dropped += 1
        elif record.sha256 and record.sha256 in evaluation:
            twin = evaluation[record.sha256]
            _LOG.info("%s is dropped: it is the evaluation image %s", record.file_name, twin)
            dropped += 1
        else:
            chosen.append(record)
    if len(chosen) < count:
        raise UserError(
            f"Calibration needs {count} images, but of {len(candidates)} candidates only {len(chosen)} are left after "
            f"{dropped} that are evaluation images. Give more images, or set calibration.images to "
            f"{len(chosen) or 1} or fewer."
        )
    return chosen


def seeded_order(records: Sequence[ImageRecord], seed: int) -> list[ImageRecord]:
    """The records in an order that depends on the seed and the file names alone."""
    return sorted(records, key=lambda r: hashlib.sha256(f"{seed} {r.file_name}".encode()).digest())
