"""Eight COCO images and their annotations in the other forms that users bring."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

Document = dict[str, Any]

IDS = (139, 5001, 10764, 17627, 20992, 22892, 25603, 30213)
EXIF_ORIENTATION = 0x0112
# How to store a picture so that EXIF's orientation turns it back to what it was.
_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def eight_images(annotations: Path) -> Document:
    """The part of COCO's annotations that is of eight images."""
    whole = json.loads(annotations.read_text())
    return {
        "images": [image for image in whole["images"] if image["id"] in IDS],
        "annotations": [one for one in whole["annotations"] if one["image_id"] in IDS],
        "categories": whole["categories"],
    }


def categories_from_zero(document: Document) -> None:
    """Category ids are 0 to 79, in the order of the file."""
    ids = {category["id"]: number for number, category in enumerate(document["categories"])}
    for category in document["categories"]:
        category["id"] = ids[category["id"]]
    for one in document["annotations"]:
        one["category_id"] = ids[one["category_id"]]


def persons_alone(category_id: int) -> Callable[[Document], None]:
    """One class, person, with this id."""

    def change(document: Document) -> None:
        persons = [{**one, "category_id": category_id} for one in document["annotations"] if one["category_id"] == 1]
        document.update(annotations=persons, categories=[{"id": category_id, "name": "person"}])

    return change


def boxes(change: Callable[[float, float, float, float, Document], list[float]]) -> Callable[[Document], None]:
    """Boxes become what `change` makes of x, y, width, height and their image."""

    def change_all(document: Document) -> None:
        images = {image["id"]: image for image in document["images"]}
        for one in document["annotations"]:
            one["bbox"] = change(*one["bbox"], images[one["image_id"]])

    return change_all


def empty_keypoints(document: Document) -> None:
    """Categories have keys of keypoints, without any."""
    for category in document["categories"]:
        category.update(keypoints=[], skeleton=[])


def person_keypoints(document: Document) -> None:
    """Only persons, with keypoints, as in COCO's person_keypoints files."""
    persons_alone(1)(document)
    document["categories"][0].update(keypoints=["nose", "left_eye"], skeleton=[[1, 2]])
    for one in document["annotations"]:
        one.update(keypoints=[*one["bbox"][:2], 2, 0, 0, 0], num_keypoints=1)


def image_ids(change: Callable[[int], Any]) -> Callable[[Document], None]:
    """Ids of images become others."""

    def change_all(document: Document) -> None:
        for image in document["images"]:
            image["id"] = change(image["id"])
        for one in document["annotations"]:
            one["image_id"] = change(one["image_id"])

    return change_all


def float_sizes(document: Document) -> None:
    """Widths and heights are floats."""
    for image in document["images"]:
        image.update(width=float(image["width"]), height=float(image["height"]))


def bare_boxes(document: Document) -> None:
    """Neither iscrowd nor area nor segmentation, as in files written by hand."""
    for one in document["annotations"]:
        for key in ("iscrowd", "area", "segmentation"):
            one.pop(key, None)


def unknown_category(document: Document) -> None:
    """One box more, of a category that is not there."""
    document["annotations"].append({**document["annotations"][0], "category_id": 999, "id": 99999999})


def three_missing(document: Document) -> None:
    """Three images have names of files that are not there."""
    for number in (1, 3, 5):
        document["images"][number]["file_name"] = f"gone{number}.jpg"


def pngs(document: Document) -> None:
    """Images have names of .png files."""
    for image in document["images"]:
        image["file_name"] = str(Path(image["file_name"]).with_suffix(".png"))


def changed(document: Document, *changes: Callable[[Document], None]) -> Document:
    """A copy with changes."""
    other = copy.deepcopy(document)
    for change in changes:
        change(other)
    return other


def store_turned(image: Path, orientation: int, folder: Path) -> None:
    """A picture's pixels, without loss, turned, with the EXIF orientation that turns them back: a .png."""
    turn = _STORED[orientation]
    picture = Image.fromarray(cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = picture if turn is None else picture.transpose(turn)
    stored.save(folder / f"{image.stem}.png", compress_level=1, exif=exif.tobytes())


def photograph_upside_down(image: Path) -> bytes:
    """A picture as a camera held upside down stores it: a JPEG of turned pixels, with EXIF's orientation 3."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 3
    buffer = io.BytesIO()
    with Image.open(image) as picture:
        turned = picture.convert("RGB").transpose(Image.Transpose.ROTATE_180)
    turned.save(buffer, "JPEG", quality=95, exif=exif.tobytes())
    return buffer.getvalue()


def motion_photograph(data: bytes) -> bytes:
    """A JPEG with a video behind it that holds the marker of a scan."""
    video = np.random.default_rng(0).bytes(30_000)
    return data + b"\0\0\0\x18ftypmp42" + video + b"\xff\xda" + video + b"SEFT"
