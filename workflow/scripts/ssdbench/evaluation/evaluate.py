"""Evaluates a cell: its metrics, also for each class, checked by pycocotools on some images, and its errors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import Detections, read_detections
from ssdbench.errors import UserError
from ssdbench.evaluation.coco_metrics import coco_metrics
from ssdbench.evaluation.pycocotools_check import check_with_pycocotools
from ssdbench.evaluation.tide import tide_errors

# COCO's AP counts this many detections of an image. Files that keep fewer keep 10 or more, and reach that everywhere.
_COUNTED, _FEWEST, _NEARLY_ALL, _IMAGES = 100, 5, 0.8, 8


def evaluate(
    annotations: Path,
    detections: Path,
    image_ids: Sequence[int],
    uncategorised: int = 0,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluate a detections file on all images of an image list, with or without detections.

    Args:
        annotations: a COCO instances file.
        detections: a COCO results file of these images.
        image_ids: the images that count; annotations of other images are left out.
        uncategorised: how many detections were of classes that the annotations do not have, and so are not in the file.
        notes: what is known already of the way to the detections.

    Returns:
        metrics, per_class: as in `CocoMetrics`, checked with pycocotools on some of the images.
        errors: `tide.TideErrors` as a dictionary.
        images, detections: how many. notes: sentences about what is unusual.

    Raises:
        UserError: a file cannot be used, or the files do not belong to these images.
    """
    truth = read_annotations(annotations)
    found = read_detections(detections)
    wanted = set(image_ids)
    if missing := wanted - {image.id for image in truth.images}:
        raise UserError(
            f"{annotations} does not have the image {min(missing)} of the image list. "
            "Give the annotations that the list was made from."
        )
    if foreign := set(np.unique(found.image_id).tolist()) - wanted:
        raise UserError(
            f"{detections} has detections in image {min(foreign)}, which is not in the image list. "
            "Detect the objects in the listed images again."
        )
    measured = coco_metrics(truth, found, wanted)
    check_with_pycocotools(truth, found, wanted)
    return {
        **vars(measured),
        "errors": asdict(tide_errors(truth, found, sorted(wanted))),
        "images": len(wanted),
        "detections": len(found),
        "notes": [
            *truth.notes,
            *notes,
            *_notes(found, {category.id for category in truth.categories}, uncategorised, len(wanted)),
        ],
    }


def _notes(found: Detections, category_ids: Collection[int], uncategorised: int, images: int) -> list[str]:
    notes = []
    if uncategorised:
        notes.append(
            f"{uncategorised} of {uncategorised + len(found)} detections do not count: the annotations do not have "
            "their classes."
        )
    if not len(found):
        notes.append("There are no detections, so every metric is 0.")
    elif few := _kept_few(found, images):
        notes.append(few)
    unknown = found.category_id[~np.isin(found.category_id, list(category_ids))]
    if unknown.size:
        ids = ", ".join(map(str, np.unique(unknown).tolist()))
        notes.append(
            f"{unknown.size} of {len(found)} detections do not count, because the annotations do not have "
            f"their categories: {ids}."
        )
    return notes


def _kept_few(found: Detections, images: int) -> str:
    """A note on a model that keeps fewer detections of an image than count, as TFLite's default of 10; or ""."""
    counts = np.unique(found.image_id, return_counts=True)[1]
    most = int(counts.max())
    full = int((counts == most).sum())
    if images < _IMAGES or not _FEWEST <= most < _COUNTED or full < _NEARLY_ALL * images:
        return ""
    return (
        f"No image has more than {most} detections, and {full} of {images} images have just {most}: the model file (or "
        f"`nms.max`) keeps no more. COCO's AP counts up to {_COUNTED} of an image, so it is lower than it could be."
    )
