"""A few images with their ground truth and what each cell found in them."""

from __future__ import annotations

import base64
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.objects import Annotation
from ssdbench.errors import UserError
from ssdbench.images.pixels import decode_image, read_image
from ssdbench.report.words import count as counted

_LOG = logging.getLogger(__name__)

SHOWN_SCORE = 0.3
MATCH_IOU = 0.5
LEAST_LOSS = 0.05  # less is hardly seen in a picture
_LONG_SIDE = 480
_MOST_BYTES = 36_000  # 24 of them are 1.2 MB as data URIs
_MOST_BOXES = 40
_NAMED = 3  # objects that lost, said in words


def build_pictures(
    images: Mapping[str, Any],
    detections: Mapping[str, Path],
    count: int = 12,
    worst: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> list[dict[str, Any]]:
    """Thumbnails of a few images of one dataset tag, with ground truth and the boxes of each cell.

    Args:
        images: the tag's image list (images.json).
        detections: detections.json of the tag's cells that have one, by cell id, also of a cell that failed
            after it detected. One is in memory at a time.
        count: most pictures that are picked by place in the list; as many again show what the cells lost most.
        worst: `worst` in parity.json of the cells that have it, by cell id: the images that lost most first.

    Returns:
        [{dataset, file_name, width, height, data_uri, problem, by_place, annotated, truths: [{name, box, is_crowd}],
        cells: {cell id: {boxes: [{name, score, box, is_match}], missed: [index of truth]}},
        losses: {cell id: {lost, words, objects: [{truth, reference, cell}]}}}],
        boxes [x, y, w, h] in pixels of the image as it is read. Only boxes that score SHOWN_SCORE or more are shown.
        Where an image cannot be read any more, `problem` says why and `data_uri` is empty. `by_place`: whether it was
        picked by its place in the list. `annotated`: whether the dataset has ground truth. `losses` has the cells that
        lost LEAST_LOSS or more on the image; `truth` is an index into `truths`.

    Raises:
        UserError: the annotations or a cell's detections are missing or unreadable.
    """
    truth = read_annotations(Path(images["annotations"])) if images.get("annotations") else None
    names = {category.id: category.name for category in truth.categories} if truth else {}
    objects: defaultdict[int, list[Annotation]] = defaultdict(list)
    for row in truth.annotations if truth else ():
        objects[row.image_id].append(row)
    losses = _losses(worst or {})
    placed = choose_images(images["images"], objects if truth else None, count)
    by_place = {record["id"] for record in placed}
    lost = set(choose_worst(losses, by_place, count))
    chosen = [*placed, *(record for record in images["images"] if record["id"] in lost)]
    truths = {record["id"]: [asdict(row) for row in objects[record["id"]]] for record in chosen}
    pictures = [_picture(images, record, truths[record["id"]], names) for record in chosen]
    for picture, record in zip(pictures, chosen, strict=True):
        picture |= {"by_place": record["id"] in by_place, "annotated": bool(truth)}
        for cell, entries in losses.items():
            if entry := entries.get(record["id"]):
                picture["losses"][cell] = _loss(entry, truths[record["id"]], names)
    for cell, path in detections.items():
        found = _shown(path, [record["id"] for record in chosen])
        for picture, record in zip(pictures, chosen, strict=True):
            best = sorted(found[record["id"]], key=lambda row: -row["score"])[:_MOST_BOXES]
            picture["cells"][cell] = match_boxes(best, truths[record["id"]], names)
    return pictures


def choose_images(
    records: Sequence[Mapping[str, Any]], truths: Mapping[int, Sequence[Any]] | None, count: int
) -> list[Mapping[str, Any]]:
    """Images spread evenly over the list, among those with annotated objects where there are annotations.

    The rule knows nothing of any cell's result, so no picture is shown because it flatters or shames one.
    """
    candidates = [record for record in records if truths is None or truths.get(record["id"])]
    if len(candidates) <= count:
        return candidates
    return [candidates[(2 * number + 1) * len(candidates) // (2 * count)] for number in range(count)]


def choose_worst(losses: Mapping[str, Mapping[int, Any]], taken: Set[int], count: int) -> list[int]:
    """Up to `count` image ids besides those `taken`: of each cell in turn its worst, then of each its next, and so on.

    Args:
        losses: by cell id, of each by image id, the worst first.
    """
    chosen: list[int] = []
    for turn in zip_longest(*losses.values()):
        for image_id in turn:
            if image_id is not None and image_id not in taken and image_id not in chosen and len(chosen) < count:
                chosen.append(image_id)
    return chosen


def match_boxes(
    detections: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, Any]], names: Mapping[int, str]
) -> dict[str, Any]:
    """Tell hits from misses in one image, as COCO does at one IoU threshold of 0.5.

    Args:
        detections: COCO results, best score first. truths: COCO annotations. names: of the category ids.

    Returns:
        {boxes: [{name, score, box, is_match}], missed: [index of a truth that no box of its class reached]}.
        A crowd is never missed, and takes any number of boxes.
    """
    from pycocotools import mask

    free = set(range(len(truths)))
    boxes = []
    if detections and truths:
        overlaps = mask.iou(
            np.array([row["bbox"] for row in detections], dtype=np.float64),
            np.array([row["bbox"] for row in truths], dtype=np.float64),
            [int(row.get("iscrowd", 0)) for row in truths],
        )
    for number, row in enumerate(detections):
        able = [
            index
            for index in free
            if truths[index]["category_id"] == row["category_id"] and overlaps[number, index] >= MATCH_IOU
        ]
        hit = max(able, key=lambda index: (not truths[index].get("iscrowd"), overlaps[number, index]), default=None)
        if hit is not None and not truths[hit].get("iscrowd"):
            free.remove(hit)
        boxes.append(
            {
                "name": names.get(row["category_id"], f"class {row['category_id']}"),
                "score": round(float(row["score"]), 3),
                "box": [round(float(side), 1) for side in row["bbox"]],
                "is_match": hit is not None,
            }
        )
    return {"boxes": boxes, "missed": sorted(index for index in free if not truths[index].get("iscrowd"))}


def loss_words(entry: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """What a cell lost on an image, in words, such as `lost 0.83: person found at 0.91 by the reference, at 0.08 here`.

    Args:
        entry: one of `worst` in parity.json: a loss, or a disagreement, which has no objects. names: of the categories.
    """
    if "objects" not in entry:
        return f"differs from the reference by {entry['lost']:.2f} in the sum of scores"
    lost = _lost_objects(entry)
    parts = []
    for number, one in enumerate(lost[:_NAMED]):
        by = " by the reference" if number == 0 else ""
        here = f"at {one['cell']:.2f} here" if one["cell"] > 0 else "not at all here"
        name = names.get(one["category_id"], f"class {one['category_id']}")
        parts.append(f"{name} found at {one['reference']:.2f}{by}, {here}")
    if len(lost) > _NAMED:
        parts.append(f"and {counted(len(lost) - _NAMED, 'more object')}")
    return f"lost {entry['lost']:.2f}: {'; '.join(parts)}"


def thumbnail(folder: Path, record: ImageRecord) -> str:
    """A JPEG of at most 36 kB and 480 pixels on its long side, turned as its record says, as a data URI.

    Raises:
        UserError: the file is missing, no image, damaged, or not the record's.
    """
    import cv2

    path = folder / record.file_name
    image = decode_image(read_image(path, record.sha256), record, path)
    scale = min(1.0, _LONG_SIDE / max(record.width, record.height))
    size = (max(1, round(record.width * scale)), max(1, round(record.height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    for quality in (82, 70, 55, 40, 20):
        data = _jpeg(small, quality)
        if len(data) <= _MOST_BYTES:
            break
    return "data:image/jpeg;base64," + base64.b64encode(data).decode("ascii")


def _jpeg(image: UInt8, quality: int) -> bytes:
    import cv2

    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return bytes(cv2.imencode(".jpg", image, flags)[1])


def _shown(path: Path, image_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """The detections of these images that score enough to be shown, by image."""
    found = read_detections(path)
    shown = defaultdict(list)
    for row in found[np.isin(found.image_id, image_ids) & (found.score >= SHOWN_SCORE)]:
        shown[row.image_id].append(asdict(row))
    return shown


def _losses(worst: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[int, Mapping[str, Any]]]:
    """The losses worth a picture, by cell id and image id, the worst first."""
    return {
        cell: {entry["image_id"]: entry for entry in entries if entry["lost"] >= LEAST_LOSS}
        for cell, entries in worst.items()
    }


def _lost_objects(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects of a loss that lost enough to be named, or where none did the first of the small ones."""
    lost = [one for one in entry["objects"] if one["cell"] < one["reference"]]
    return [one for one in lost if one["reference"] - one["cell"] >= LEAST_LOSS] or lost[:1]


def _loss(entry: Mapping[str, Any], truths: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> dict[str, Any]:
    places = {row["id"]: index for index, row in enumerate(truths)}
    return {
        "lost": round(float(entry["lost"]), 3),
        "words": loss_words(entry, names),
        "objects": [
            {
                "truth": places[one["annotation_id"]],
                "reference": round(float(one["reference"]), 3),
                "cell": round(float(one["cell"]), 3),
            }
            for one in (_lost_objects(entry) if "objects" in entry else [])
        ],
    }


def _picture(
    images: Mapping[str, Any],
    record: Mapping[str, Any],
    truths: Sequence[Mapping[str, Any]],
    names: Mapping[int, str],
) -> dict[str, Any]:
    try:
        data_uri, problem = thumbnail(Path(images["folder"]), ImageRecord(**record)), ""
    except UserError as error:  # the figures do not need the image, so the report stands without it
        data_uri, problem = "", str(error)
        _LOG.warning("no picture of %s: %s", record["file_name"], error)
    return {
        "dataset": images["tag"],
        "file_name": record["file_name"],
        "width": record["width"],
        "height": record["height"],
        "data_uri": data_uri,
        "problem": problem,
        "truths": [
            {
                "name": names.get(row["category_id"], f"class {row['category_id']}"),
                "box": [round(float(side), 1) for side in row["bbox"]],
                "is_crowd": bool(row.get("iscrowd", 0)),
            }
            for row in truths
        ],
        "cells": {},
        "losses": {},
    }
