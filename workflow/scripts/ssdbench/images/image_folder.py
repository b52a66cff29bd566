"""Image lists: which images a dataset tag stands for, with their sizes and hashes."""

from __future__ import annotations

import glob
import hashlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ssdbench.coco.image_list import ImageRecord, coco_id
from ssdbench.errors import UserError
from ssdbench.images.orientation import Orientation, StoredForm, choose_orientation, oriented
from ssdbench.images.pixels import check_size, decode_image, read_image, stored_form
from ssdbench.jobs.progress import track

_LOG = logging.getLogger(__name__)
_NAMED = 10  # missing images that a message names
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def check_present(folder: Path, wanted: Sequence[ImageRecord], remedy: str) -> None:
    """Make sure that every image has a file.

    Raises:
        UserError: there is no such folder; or some images are missing: how many, the first ten, and `remedy`, a
            sentence.
    """
    if not folder.is_dir():
        raise UserError(f"The folder of images {folder} does not exist or is not a folder.")
    missing = [record.file_name for record in wanted if not (folder / record.file_name).is_file()]
    if not missing:
        return
    names = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
    verb = "is" if len(missing) == 1 else "are"
    raise UserError(
        f"{len(missing)} of {len(wanted)} images {verb} missing in {folder}: {names}. "
        f"{_elsewhere(folder, missing[0])}{remedy}"
    )


def _elsewhere(folder: Path, name: str) -> str:
    """Where a missing file lies under another path below the folder, in a sentence; "" if it does not."""
    base = PurePosixPath(name).name
    if base != name and (folder / base).is_file():
        return f"{base} lies in {folder} itself, so the annotations name a folder too many. "
    deeper = next((path for path in sorted(folder.glob(f"*/{glob.escape(base)}"))), None)
    return f"There is {deeper}, though. " if deeper else ""


def inspect(
    folder: Path, wanted: Sequence[ImageRecord], orientation: Orientation | None = None, threads: int = 2
) -> tuple[list[ImageRecord], Orientation, str]:
    """Read and decode each image once to see that it is whole.

    Args:
        wanted: the images as they are annotated; a width of 0 is unknown. orientation: which pixels the annotations
            mean, where that is stated.

    Returns:
        the records with the sha256 and the turn of their files; the orientation, and a note on how it was found.

    Raises:
        UserError: files are missing; one is damaged, not an image, or has another size than its record says; or the
            orientation is neither stated nor told by the sizes.
    """
    turned, choice, note = orient(folder, wanted, orientation, threads)

    def inspected(record: ImageRecord) -> ImageRecord:
        path = folder / record.file_name
        data = read_image(path)
        decode_image(data, record, path)
        return replace(record, sha256=hashlib.sha256(data).hexdigest())

    with ThreadPoolExecutor(threads) as pool:
        return list(track(pool.map(inspected, turned), "checking images", len(wanted))), choice, note


def orient(
    folder: Path, wanted: Sequence[ImageRecord], orientation: Orientation | None = None, threads: int = 2
) -> tuple[list[ImageRecord], Orientation, str]:
    """The records with the turn of their files; only the files' headers are looked at.

    Args, returns and raises: as `inspect`, which also decodes them.
    """
    check_present(folder, wanted, "Give the folder that holds them, or the annotations of the images that are there.")

    def form_of(record: ImageRecord) -> StoredForm:
        path = folder / record.file_name
        return stored_form(read_image(path), path)

    with ThreadPoolExecutor(threads) as pool:
        forms = list(track(pool.map(form_of, wanted), "looking at images", len(wanted)))
    pairs = list(zip(wanted, forms, strict=True))
    choice, note = choose_orientation(orientation, pairs)
    turned = [oriented(record, form, choice) for record, form in pairs]
    for record, form in zip(turned, forms, strict=True):
        check_size(form, record, folder / record.file_name)
    return turned, choice, note


def folder_records(folder: Path, orientation: Orientation = "displayed") -> list[ImageRecord]:
    """Records of the image files in a folder that has no annotations, with their sizes and without hashes.

    Without annotations there are no boxes that could be in other pixels, so images are turned as they are displayed.

    The id is the COCO id where every file is named as COCO names its files, each another; else the place of the file's
    name among the others, from 1.

    Raises:
        UserError: the folder does not exist, holds no image, or a file is not an image.
    """
    files = image_files(folder)
    names = [path.relative_to(folder).as_posix() for path in files]
    coco_ids = [found for name in names if (found := coco_id(name)) is not None]
    ids = coco_ids if len(set(coco_ids)) == len(names) else range(1, len(names) + 1)
    forms = [stored_form(read_image(path), path) for path in files]
    return [
        oriented(ImageRecord(i, name, 0, 0, ""), form, orientation)
        for i, name, form in zip(ids, names, forms, strict=True)
    ]


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
