"""The embedded sample: scenes composed, with fixed seeds, from photographs that installed packages ship.

A scene is a ground with up to five photographs laid on it, later ones over earlier ones. Its labels are the
outlines in resources/sample_photos.yaml, carried over by the same crop, flip, scaling and placing. The same
package versions give the same bytes; another JPEG encoder, rescaling or random generator may not.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.draw import polygon2mask

from ssdbench.arrays import UInt8
from ssdbench.errors import UserError
from ssdbench.files.reading import read_yaml
from ssdbench.files.writing import write_bytes, write_json
from ssdbench.jobs.progress import track

PHOTOGRAPHS = Path(__file__).resolve().parents[3] / "resources" / "sample_photos.yaml"
EVALUATION_SCENES = 96
CALIBRATION_SCENES = 120

_SEED = 20170901
_FIRST_CALIBRATION_ID = 1001  # no id is both an evaluation and a calibration image's
# Widths and heights that are frequent in COCO.
_SIZES = (
    (640, 480),
    (640, 427),
    (640, 425),
    (640, 360),
    (500, 375),
    (500, 333),
    (640, 640),
    (480, 640),
    (427, 640),
)
_EMPTY_EVERY = 48  # two scenes are bare ground: COCO too has images without objects
_MOST_PHOTOGRAPHS = 5
_SMALLEST_SCALE = 0.12  # of the largest size at which the photograph fits into the scene
_SMALLEST_CROP = 0.75  # of the photograph's width and height
_LEAST_SHOWN = 0.75  # a scene shows at least this share of an object, or nothing of it
_SHORTEST_SIDE = 4  # an object narrower or lower than this many pixels gets no label, as nobody could tell it
_TRIES = 40  # to find a photograph its place
_JPEG_QUALITY = 95

Mask = npt.NDArray[np.bool_]
Rectangle = tuple[int, int, int, int]
"""x, y, width, height in whole pixels."""


@dataclass(frozen=True)
class Item:
    """One object in a photograph: its COCO category id and its mask [H, W] in the photograph's pixels.

    crowd: detections of it count neither as right nor as wrong.
    """

    category: int
    crowd: bool
    mask: Mask


@dataclass(frozen=True)
class Photograph:
    """One photograph: pixels uint8 [H, W, 3] BGR, and the objects in it."""

    name: str
    pixels: UInt8
    items: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Placement:
    """A part of a photograph on a scene: its `crop`, mirrored if `flip`, scaled to fill `place`.

    gain: brightness that its pixels are multiplied by.
    """

    photograph: Photograph
    crop: Rectangle
    place: Rectangle
    flip: bool
    gain: float = 1.0


@dataclass(frozen=True)
class Label:
    """One object of a scene: box (x, y, w, h) and area in pixels of the scene, of the visible part."""

    category: int
    crowd: bool
    bbox: tuple[float, float, float, float]
    area: float


def compose(folder: Path) -> None:
    """Write the sample: images/<12 digits>.jpg, calibration/<12 digits>.jpg and, last, annotations.json.

    Raises:
        UserError: a photograph is missing or is not the one that the outlines were drawn on.
    """
    document = read_yaml(PHOTOGRAPHS)
    categories = {name: id_ for group in document["categories"].values() for id_, name in group.items()}
    rows = document["photographs"]
    photographs = {name: _photograph(name, row, categories) for name, row in rows.items()}
    for_evaluation = [photographs[name] for name, row in rows.items() if "evaluation" in row["use"]]
    for_calibration = [photographs[name] for name, row in rows.items() if "calibration" in row["use"]]
    grounds = [_read(row) for row in document["grounds"].values()]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id in track(range(1, EVALUATION_SCENES + 1), "sample: evaluation scenes"):
        empty = image_id % _EMPTY_EVERY == 0
        pixels, placements = _scene(image_id, [] if empty else for_evaluation, grounds)
        images.append(
            {
                "id": image_id,
                "file_name": _write_jpeg(folder / "images", image_id, pixels),
                "width": pixels.shape[1],
                "height": pixels.shape[0],
                "photographs": sorted({placement.photograph.name for placement in placements}),
            }
        )
        for label in labels(placements):
            annotations.append(
                {
                    "id": len(annotations) + 1,  # pycocotools takes an id of 0 for "no match"
                    "image_id": image_id,
                    "category_id": label.category,
                    "bbox": [round(value, 2) for value in label.bbox],
                    "area": round(label.area, 2),
                    "iscrowd": int(label.crowd),
                    "segmentation": [],
                }
            )
    calibration_ids = range(_FIRST_CALIBRATION_ID, _FIRST_CALIBRATION_ID + CALIBRATION_SCENES)
    for image_id in track(calibration_ids, "sample: calibration scenes"):
        pixels, _ = _scene(image_id, for_calibration, grounds)
        _write_jpeg(folder / "calibration", image_id, pixels)
    write_json(folder / "annotations.json", _instances(document, images, annotations))


def _instances(
    document: dict[str, Any], images: list[dict[str, Any]], annotations: list[dict[str, Any]]
) -> dict[str, Any]:
    """The whole of annotations.json, in COCO's form; `document` is the data file of the photographs."""
    sources = document["photographs"] | document["grounds"]
    return {
        "info": {
            "description": "The embedded sample: scenes composed from a few photographs, with boxes from "
            "outlines drawn by hand. It is not COCO; it only uses COCO's format and categories.",
            "version": "1.0",
        },
        "licenses": [
            {"id": number, "name": f"{name}: {row['licence']}", "url": row["source"]}
            for number, (name, row) in enumerate(sources.items(), start=1)
        ],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": id_, "name": name, "supercategory": group}
            for group, members in document["categories"].items()
            for id_, name in members.items()
        ],
    }


def _scene(image_id: int, photographs: Sequence[Photograph], grounds: Sequence[UInt8]) -> tuple[UInt8, list[Placement]]:
    """The scene of an id, the same at every call: pixels uint8 [H, W, 3] BGR, and what lies on its ground."""
    rng = np.random.default_rng([_SEED, image_id])
    width, height = _SIZES[int(rng.integers(len(_SIZES)))]
    placements = arrange(rng, photographs, width, height) if photographs else []
    return paint(_ground(rng, grounds, width, height), placements), placements


def arrange(rng: np.random.Generator, photographs: Sequence[Photograph], width: int, height: int) -> list[Placement]:
    """Lay one to five photographs on a scene so that each object stays recognisable or is hidden wholly.

    A photograph that finds no such place in the end is left out.
    """
    placements: list[Placement] = []
    for _ in range(int(rng.integers(1, _MOST_PHOTOGRAPHS, endpoint=True))):
        for _ in range(_TRIES):
            photograph = photographs[int(rng.integers(len(photographs)))]
            more = [*placements, _place(rng, photograph, width, height)]
            if _recognisable(more):
                placements = more
                break
    return placements


def labels(placements: Sequence[Placement]) -> list[Label]:
    """The visible objects of a scene, whose placements lie over each other in the order given."""
    found = []
    for index, placement in enumerate(placements):
        x, y, width, height = placement.place
        left, top, crop_width, crop_height = placement.crop
        scale_x, scale_y = width / crop_width, height / crop_height
        shown = _shown(placement, [above.place for above in placements[index + 1 :]])
        for item in placement.photograph.items:
            rows, columns = np.nonzero(item.mask & shown)
            if not len(rows):
                continue
            first, last = int(columns.min()) - left, int(columns.max()) + 1 - left
            if placement.flip:
                first, last = crop_width - last, crop_width - first
            upper, lower = int(rows.min()) - top, int(rows.max()) + 1 - top
            box = (
                x + first * scale_x,
                y + upper * scale_y,
                (last - first) * scale_x,
                (lower - upper) * scale_y,
            )
            if min(box[2:]) >= _SHORTEST_SIDE:
                area = len(rows) * scale_x * scale_y
                found.append(Label(item.category, item.crowd, box, area))
    return found


def _recognisable(placements: Sequence[Placement]) -> bool:
    """Whether the scene shows enough of every object, or nothing."""
    for index, placement in enumerate(placements):
        shown = _shown(placement, [above.place for above in placements[index + 1 :]])
        for item in placement.photograph.items:
            share = np.count_nonzero(item.mask & shown) / np.count_nonzero(item.mask)
            if not item.crowd and 0 < share < _LEAST_SHOWN:
                return False
    return True


def _shown(placement: Placement, above: Sequence[Rectangle]) -> Mask:
    """Mask [H, W] of the photograph's pixels that lie in the crop and under none of the places above it."""
    left, top, crop_width, crop_height = placement.crop
    x, y, width, height = placement.place
    shown = np.zeros(placement.photograph.pixels.shape[:2], dtype=np.bool_)
    part = shown[top : top + crop_height, left : left + crop_width]
    part[:] = True
    # A pixel is covered where its centre is.
    across = x + (np.arange(crop_width) + 0.5) * width / crop_width
    down = y + (np.arange(crop_height) + 0.5) * height / crop_height
    if placement.flip:
        across = across[::-1]
    for other_x, other_y, other_width, other_height in above:
        columns = (other_x <= across) & (across < other_x + other_width)
        rows = (other_y <= down) & (down < other_y + other_height)
        part &= ~np.logical_and.outer(rows, columns)
    return shown


def _place(rng: np.random.Generator, photograph: Photograph, width: int, height: int) -> Placement:
    """A random part of the photograph at a random size and place within the scene."""
    full_height, full_width = photograph.pixels.shape[:2]
    share_x, share_y = rng.uniform(_SMALLEST_CROP, 1.0, size=2) if rng.random() < 0.5 else (1.0, 1.0)
    crop_width, crop_height = round(full_width * share_x), round(full_height * share_y)
    left = int(rng.integers(full_width - crop_width, endpoint=True))
    top = int(rng.integers(full_height - crop_height, endpoint=True))
    fit = min(width / crop_width, height / crop_height)
    scale = fit * rng.uniform(_SMALLEST_SCALE, 1.0)
    place_width = min(width, round(crop_width * scale))
    place_height = min(height, round(crop_height * scale))
    x = int(rng.integers(width - place_width, endpoint=True))
    y = int(rng.integers(height - place_height, endpoint=True))
    return Placement(
        photograph,
        crop=(left, top, crop_width, crop_height),
        place=(x, y, place_width, place_height),
        flip=bool(rng.random() < 0.5),
        gain=float(rng.uniform(0.8, 1.15)),
    )


def _ground(rng: np.random.Generator, grounds: Sequence[UInt8], width: int, height: int) -> UInt8:
    """A part of a random ground, stretched over the scene and tinted: uint8 [height, width, 3] BGR."""
    texture = grounds[int(rng.integers(len(grounds)))]
    side = int(rng.integers(texture.shape[0] // 3, texture.shape[0], endpoint=True))
    x, y = rng.integers(texture.shape[0] - side, endpoint=True, size=2)
    part = cv2.resize(texture[y : y + side, x : x + side], (width, height), interpolation=cv2.INTER_LINEAR)
    tinted: UInt8 = np.clip(part * rng.uniform(0.6, 1.1) * rng.uniform(0.8, 1.0, size=3) + 0.5, 0, 255).astype(np.uint8)
    return tinted


def paint(ground: UInt8, placements: Sequence[Placement]) -> UInt8:
    """A copy of the ground, uint8 [H, W, 3] BGR, with the placements laid on it in their order."""
    canvas = ground.copy()
    for placement in placements:
        left, top, crop_width, crop_height = placement.crop
        x, y, width, height = placement.place
        part = placement.photograph.pixels[top : top + crop_height, left : left + crop_width]
        if placement.flip:
            part = part[:, ::-1]
        method = cv2.INTER_AREA if width < crop_width else cv2.INTER_LINEAR
        part = cv2.resize(part, (width, height), interpolation=method)
        canvas[y : y + height, x : x + width] = cv2.convertScaleAbs(part, alpha=placement.gain)
    return canvas


def _write_jpeg(folder: Path, image_id: int, pixels: UInt8) -> str:
    """Write pixels, uint8 [H, W, 3] BGR, under the file name of their id, and return that name."""
    name = f"{image_id:012d}.jpg"
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    write_bytes(folder / name, encoded.tobytes())
    return name


def _photograph(name: str, row: dict[str, Any], categories: dict[str, int]) -> Photograph:
    """The photograph of a row of the data file, its outlines drawn as masks."""
    pixels = _read(row)
    items = tuple(
        Item(
            categories[item["category"]],
            item.get("crowd", False),
            # Outlines count from the first pixel's corner, polygon2mask from its centre; it takes y before x.
            polygon2mask(pixels.shape[:2], np.array(item["outline"])[:, ::-1] - 0.5),
        )
        for item in row.get("objects", [])
    )
    return Photograph(name, pixels, items)


def _read(row: dict[str, Any]) -> UInt8:
    """The photograph of a row of the data file, its bytes checked: uint8 [H, W, 3] BGR."""
    package, distribution = row["package"], row["distribution"]
    remedy = f"Install the version of {distribution} that envs/requirements.txt pins."
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError(f"The package {distribution} is missing, and the embedded sample with it. {remedy}")
    path = Path(spec.origin).parent / row["file"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} of the embedded sample cannot be read: {error.strerror}. {remedy}") from error
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        raise UserError(f"{path} is not the photograph that the embedded sample was measured on. {remedy}")
    pixels: UInt8 | None = cv2.imdecode(
        np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    )
    assert pixels is not None  # these bytes are known
    return pixels
