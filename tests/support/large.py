"""Annotations, detections and image lists of any size, generated: the same size gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssdbench.coco.detections import Detection, write_detections

CATEGORIES, SIDE, TRUTHS, FOUND = 80, 640, 7, 100

_OUTLINE = ", ".join(f"{number}.25" for number in range(100, 140))


def write_large(folder: Path, images: int, cells: int = 1) -> None:
    """Write instances.json, images.json and detections<n>.json of each cell to `folder`.

    About 7 objects an image of 80 categories, of which one has a third, as in COCO; one in a hundred is a crowd.
    Each cell finds most of them with blurred boxes, some twice, and fills up with false ones to 100 an image.
    """
    random = np.random.default_rng(images)
    counts = random.poisson(TRUTHS, images)
    image = np.repeat(np.arange(1, images + 1), counts)
    category = _categories(random, len(image))
    box = _boxes(random, len(image))
    _write_annotations(folder / "instances.json", images, image, category, box)
    _write_images(folder / "images.json", folder / "instances.json", images)
    for cell in range(cells):
        write_detections(folder / f"detections{cell}.json", _rows(images, counts, category, box, seed=cell))


def _categories(random: np.random.Generator, count: int) -> NDArray[np.int64]:
    frequent = random.random(count) < 1 / 3
    return np.where(frequent, 1, random.integers(1, CATEGORIES + 1, count))


def _boxes(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    size = np.minimum(np.exp(random.normal(4.3, 0.9, (count, 2))), SIDE - 1)
    corner = random.random((count, 2)) * (SIDE - size)
    return np.round(np.concatenate([corner, size], axis=1), 2)


def _write_annotations(
    path: Path, images: int, image: NDArray[np.int64], category: NDArray[np.int64], box: NDArray[np.float64]
) -> None:
    """As large for each object as in COCO's own files, outline included."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{"info": {"description": "generated"}, "images": [')
        for number in range(1, images + 1):
            comma = ", " if number > 1 else ""
            file.write(
                f'{comma}{{"id": {number}, "file_name": "{number:012d}.jpg", "width": {SIDE}, "height": {SIDE}}}'
            )
        file.write('], "annotations": [')
        columns = zip(image.tolist(), category.tolist(), box.tolist(), strict=True)
        for number, (image_id, category_id, (x, y, width, height)) in enumerate(columns, start=1):
            comma = ", " if number > 1 else ""
            file.write(
                f'{comma}{{"segmentation": [[{_OUTLINE}]], "area": {0.6 * width * height:.4f}, '
                f'"iscrowd": {int(number % 100 == 0)}, "image_id": {image_id}, "bbox": [{x}, {y}, {width}, {height}], '
                f'"category_id": {category_id}, "id": {number}}}'
            )
        categories = [{"id": number, "name": f"class {number}"} for number in range(1, CATEGORIES + 1)]
        file.write(f'], "categories": {json.dumps(categories)}}}')


def _write_images(path: Path, annotations: Path, images: int) -> None:
    rows = [
        {"id": number, "file_name": f"{number:012d}.jpg", "width": SIDE, "height": SIDE, "sha256": f"{number:064x}"}
        for number in range(1, images + 1)
    ]
    document = {
        "tag": "large", "dataset": "local", "folder": str(path.parent), "annotations": str(annotations),
        "annotations_sha256": "0" * 64, "images": rows, "notes": [], "orientation": "stored",
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, CATEGORIES + 1)],
        "large_ids": {},
    }  # fmt: skip
    path.write_text(json.dumps(document), encoding="utf-8")


def _rows(
    images: int, counts: NDArray[np.int64], category: NDArray[np.int64], box: NDArray[np.float64], seed: int
) -> Iterator[Detection]:
    random = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    for image in range(images):
        truths = np.arange(starts[image], starts[image + 1])
        seen = np.concatenate([truths[random.random(len(truths)) < 0.8], truths[random.random(len(truths)) < 0.3]])
        blur = random.normal(0, 0.08, (len(seen), 4)) * box[seen][:, [2, 3, 2, 3]]
        false = FOUND - len(seen)
        found = np.concatenate([np.abs(box[seen] + blur), _boxes(random, false)])
        categories = np.concatenate([category[seen], _categories(random, false)])
        scores = np.concatenate([random.beta(3, 2, len(seen)), random.beta(1, 12, false)]).astype(np.float32)
        order = np.argsort(-scores)
        columns = zip(categories[order].tolist(), found[order].tolist(), scores[order].tolist(), strict=True)
        for category_id, (x, y, width, height), score in columns:
            yield Detection(image + 1, category_id, (x, y, width, height), score)
