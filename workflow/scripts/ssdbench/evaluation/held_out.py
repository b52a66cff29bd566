"""Compares AP on the images that a checkpoint was trained on (seen) with AP on the others (held out)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.image_list import ImageRecord, coco_id
from ssdbench.evaluation.bootstrap import COMPARED_METRICS, Draws, draw
from ssdbench.evaluation.coco_matching import match


def evaluate_parts(
    truth: Annotations,
    found: Detections,
    images: Sequence[ImageRecord],
    held_out: Collection[int],
    replicates: int,
    seed: int,
) -> dict[str, Any]:
    """AP of one cell on the held-out images and on the seen ones, with their numbers, and the gap between them.

    Args:
        truth, found: the ground truth and the cell's detections.
        images: the images that count.
        held_out: COCO ids of the images that training left out.
        replicates, seed: of the bootstrap; the two parts have different images, so each has its own draws.

    Returns:
        {held_out, seen: {images, AP, AP50, APsmall, APmedium, APlarge}, or None if the part has no image;
        gap: {difference, low, high}: AP on the seen images minus AP on the held-out ones, and its 95 % interval, or
        None}. All are None if the images do not have COCO's names and ids: then it is unknown which were seen.
    """
    if any(coco_id(image.file_name) != image.id for image in images):
        return {"held_out": None, "seen": None, "gap": None}
    ids = {image.id for image in images}
    parts = {"held_out": sorted(ids & set(held_out)), "seen": sorted(ids - set(held_out))}
    draws = {
        name: draw(match(truth, found, part), replicates, seed + number)
        for number, (name, part) in enumerate(parts.items())
        if part
    }
    return {
        **{name: _part(draws[name]) if name in draws else None for name in parts},
        "gap": _gap(draws["held_out"], draws["seen"]) if len(draws) == len(parts) else None,
    }


def _part(draws: Draws) -> dict[str, Any]:
    values = [None if np.isnan(value) else value for value in draws.measured.tolist()]
    return {"images": len(draws.image_ids), **dict(zip(COMPARED_METRICS, values, strict=True))}


def _gap(held_out: Draws, seen: Draws) -> dict[str, float] | None:
    drawn = seen.drawn[:, 0] - held_out.drawn[:, 0]
    drawn = drawn[~np.isnan(drawn)]
    difference = float(seen.measured[0] - held_out.measured[0])
    if np.isnan(difference) or not drawn.size:
        return None
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return {"difference": difference, "low": low, "high": high}
