"""Which way up an image is: what its EXIF tag says, and whether its annotations mean the stored or the turned pixels.

Orientations are EXIF's numbers: 1 for not at all; 2, 4 mirrored; 3 upside down; 5 to 8 lying on a side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError

Orientation = Literal["stored", "displayed"]

_TURNS = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}
_BACK = {6: 8, 8: 6}  # every other turn undoes itself


@dataclass(frozen=True)
class StoredForm:
    """An image file's width and height in stored pixels, and its orientation."""

    width: int
    height: int
    orientation: int

    @property
    def displayed_size(self) -> tuple[int, int]:
        """Width and height after the turn."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def turned(pixels: UInt8, orientation: int) -> UInt8:
    """Stored pixels [H, W, 3] as they are displayed."""
    if orientation in _TURNS:
        return np.asarray(cv2.rotate(pixels, _TURNS[orientation]), np.uint8)
    if orientation in (5, 7):
        pixels = cv2.transpose(pixels)
    flip = {2: 1, 4: 0, 7: -1}.get(orientation)
    return pixels if flip is None else np.asarray(cv2.flip(pixels, flip), np.uint8)


def turned_back(pixels: UInt8, orientation: int) -> UInt8:
    """Displayed pixels [H, W, 3] as they are stored."""
    return turned(pixels, _BACK.get(orientation, orientation))


def choose_orientation(
    stated: Orientation | None, found: Sequence[tuple[ImageRecord, StoredForm]]
) -> tuple[Orientation, str]:
    """Which pixels the annotations of images mean, and a note where that was found and not stated.

    Args:
        stated: by the configuration or the registry. found: each image as it is annotated, and as its file is.

    Raises:
        UserError: nothing is stated, and the annotated sizes do not tell.
    """
    rotated = [(record, form) for record, form in found if form.orientation != 1]
    if stated or not rotated:
        return stated or "stored", ""
    telling = [
        (record, form)
        for record, form in rotated
        if form.displayed_size != (form.width, form.height)
        and (record.width, record.height) in ((form.width, form.height), form.displayed_size)
    ]
    displayed = [record for record, form in telling if (record.width, record.height) == form.displayed_size]
    images = f"{len(rotated)} of {len(found)} images carry an EXIF rotation"
    if telling and len(displayed) in (0, len(telling)):
        choice: Orientation = "displayed" if displayed else "stored"
        return choice, f"{images}; boxes are taken in {choice} pixels, because the annotated sizes are of those."
    what = (
        f"the annotated sizes of {len(displayed)} are those of the turned image and of {len(telling) - len(displayed)} "
        "those of the stored one"
        if telling
        else "the annotated sizes do not tell whether their boxes are in turned or in stored pixels"
    )
    raise UserError(
        f"{images} ({rotated[0][0].file_name} is one), and {what}. State which: `displayed` (turned, as most "
        "annotation tools show images) or `stored` (as COCO's are), as local.orientation in the configuration, "
        "`orientation` of a registry row, or --orientation of run.py."
    )


def oriented(record: ImageRecord, form: StoredForm, orientation: Orientation) -> ImageRecord:
    """The record with the turn that its file needs; of a record without a size, with its size."""
    turn = form.orientation if orientation == "displayed" else 1
    size = form.displayed_size if turn != 1 else (form.width, form.height)
    width, height = (record.width, record.height) if record.width else size
    return ImageRecord(record.id, record.file_name, width, height, record.sha256, turn)
