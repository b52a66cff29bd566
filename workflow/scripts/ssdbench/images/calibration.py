"""Chooses the calibration images of a dataset: other images than those evaluated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from ssdbench.coco.image_list import ImageRecord, coco_id
from ssdbench.errors import UserError
from ssdbench.images.image_folder import _LOG


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
