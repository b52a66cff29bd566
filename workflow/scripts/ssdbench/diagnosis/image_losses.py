"""Finds the images that lose most against the reference, and their objects that do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ssdbench.arrays import Float64
from ssdbench.boxes.decoding import Found
from ssdbench.coco.annotations import Annotations
from ssdbench.evaluation.image_matching import Truths, matches, overlaps, partners, same_class, truths_by_image

_FOUND = 0.5  # overlap from which an object counts as found, as in AP50
_CONFIDENT = 0.3  # score from which a box counts in a disagreement; lower scores are mostly noise


@dataclass(frozen=True)
class ObjectScores:
    """One true object, and the scores with which the reference and the cell find it: 0 if they do not."""

    annotation_id: int
    category_id: int
    reference: float
    cell: float


@dataclass(frozen=True)
class ImageLoss:
    """The loss of one image.

    lost: the reference's score minus the cell's, summed over the image's objects; negative if the cell is better.
    objects: those whose score changed, the greatest loss first.
    """

    image_id: int
    lost: float
    truths: int
    found_by_reference: int
    found_by_cell: int
    objects: tuple[ObjectScores, ...]


@dataclass(frozen=True)
class ImageDisagreement:
    """One image, and how much the scores of the cell's and the reference's boxes differ in it."""

    image_id: int
    lost: float


def image_losses(truth: Annotations, reference: Mapping[int, Found], cell: Mapping[int, Found]) -> list[ImageLoss]:
    """The loss of every image, the greatest first, ties by id.

    An object counts with the score of the detection that finds it (of its class, with an IoU of 0.5 or more, best
    scores first; crowds are left out). So losing an object that was found at 0.9 is worse than losing one that was
    found at 0.05 and hardly mattered to AP, and a fall from 0.9 to 0.2 shows before the object is lost. An AP of each
    image would jump, because with one object of a class it depends on ranks and not on scores. False alarms do not
    count here; `tide` counts them.

    Args:
        truth: the ground truth. reference, cell: detections in the same images by image id, best first.
    """
    truths = truths_by_image(truth.annotations, reference)
    losses = [_loss(image_id, truths[image_id], found, cell[image_id]) for image_id, found in reference.items()]
    return sorted(losses, key=lambda loss: (-loss.lost, loss.image_id))


def image_disagreements(reference: Mapping[int, Found], cell: Mapping[int, Found]) -> list[ImageDisagreement]:
    """Images in which cell and reference disagree, the most first, ties by id. Needs no ground truth.

    Each box with a score of 0.3 or more on one side counts: with the difference to the score of its partner on the
    other side (of the same class, with an IoU of 0.5 or more), or with its whole score if it has no partner.
    """
    both = [ImageDisagreement(image_id, _disagreement(found, cell[image_id])) for image_id, found in reference.items()]
    return sorted((one for one in both if one.lost > 0), key=lambda one: (-one.lost, one.image_id))


def _disagreement(reference: Found, cell: Found) -> float:
    alike = cell.class_ids[:, None] == reference.class_ids
    rows, columns = partners(overlaps(cell.boxes, reference.boxes) * alike, alike, _FOUND)
    ours, theirs = np.zeros(len(reference.scores)), cell.scores.astype(np.float64)
    ours[columns] = cell.scores[rows]
    theirs[rows] = 0  # the others have no partner
    confident = (reference.scores >= _CONFIDENT) | (ours >= _CONFIDENT)
    return float(np.abs(reference.scores - ours)[confident].sum() + theirs[theirs >= _CONFIDENT].sum())


def _loss(image_id: int, truths: Truths, reference: Found, cell: Found) -> ImageLoss:
    before, after = _scores(truths, reference), _scores(truths, cell)
    order = np.argsort(after - before, kind="stable")
    objects = zip(truths.ids[order], truths.class_ids[order], before[order], after[order], strict=True)
    return ImageLoss(
        image_id=image_id,
        lost=float((before - after).sum()),
        truths=len(truths.ids),
        found_by_reference=int((before > 0).sum()),
        found_by_cell=int((after > 0).sum()),
        objects=tuple(ObjectScores(int(i), int(c), float(b), float(a)) for i, c, b, a in objects if b != a),
    )


def _scores(truths: Truths, found: Found) -> Float64:
    """The score with which each object is found, or 0: float64 [T]."""
    finders = matches(overlaps(found.boxes, truths.boxes) * same_class(found, truths), _FOUND)
    scores = np.zeros(len(truths.ids))
    scores[finders[finders >= 0]] = found.scores[finders >= 0]
    return scores
