"""Per-class greedy non-maximum suppression on heads, exact and without looking at every score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdbench.boxes import clip, decode
from ssdbench.errors import UserError
from ssdbench.outputs import Float32, Int64

NOT_FINITE = "The network returned NaN or infinite numbers. Convert it again, or use another precision."

# A hundred boxes are usually kept from the best 130 to 450 scores (SSD on COCO), so the anchors that
# hold about so many are looked at first. Another start costs time only.
_FIRST_ANCHORS = 400
_GROWTH = 4
_CHUNK = 112  # candidates whose overlaps are computed at once: bounds memory


@dataclass(frozen=True)
class NmsSettings:
    """What non-maximum suppression keeps.

    score: only scores above it. iou: a box that overlaps a better one of its class by more is dropped.
    max: boxes kept per image, and so at most per class.
    """

    score: float = 1e-8
    iou: float = 0.6
    max: int = 100


@dataclass(frozen=True)
class Kept:
    """The boxes of one image that non-maximum suppression keeps, best first.

    anchors: int64 [K], rows of the heads. class_ids: int64 [K], columns of the scores. scores: float32 [K].
    corners: float32 [K, 4], ymin xmin ymax xmax, normalised, clipped to the image.
    """

    anchors: Int64
    class_ids: Int64
    scores: Float32
    corners: Float32


def suppress(
    encodings: Float32, scores: Float32, anchors: Float32, box_coder: Sequence[float], settings: NmsSettings
) -> Kept:
    """Greedy non-maximum suppression, class by class, of one image's heads.

    Equal to going through all pairs of anchor and class by score descending, then class, then anchor, and
    keeping each whose clipped box does not overlap a kept box of its class by more than `settings.iou`,
    until `settings.max` are kept. What is kept depends on the best candidates alone, so only as many
    are taken as that needs.

    Args:
        encodings: float32 [A, 4], ty tx th tw.
        scores: float32 [A, C + 1], class 0 = background, which is left out.
        anchors: float32 [A, 4], ymin xmin ymax xmax, normalised.
        box_coder: the divisors of ty, tx, th, tw.
        settings: thresholds and the number of boxes.

    Raises:
        UserError: a score is NaN or infinite.
    """
    best = scores[:, 1:].max(axis=1)
    if not np.isfinite(best).all():
        raise UserError(NOT_FINITE)
    lowest = np.float32(settings.score)
    wanted = _FIRST_ANCHORS
    while True:
        bound = max(np.partition(best, -wanted)[-wanted], lowest) if wanted <= len(best) else lowest
        rows, class_ids = _candidates(scores, np.flatnonzero(best > bound), bound)
        kept = _greedy(rows, class_ids, encodings, scores, anchors, box_coder, settings)
        if len(kept.scores) == settings.max or bound == lowest:
            return kept
        wanted *= _GROWTH


def _candidates(scores: Float32, rows: Int64, bound: np.float32) -> tuple[Int64, Int64]:
    """Anchors and classes int64 [M] of the scores above `bound` in these rows, best first.

    Ties go by class, then anchor.
    """
    above = scores.take(rows, axis=0) > bound
    above[:, 0] = False
    index, class_ids = np.divmod(np.flatnonzero(above), scores.shape[1])
    rows = rows[index]
    order = np.lexsort((class_ids, -scores[rows, class_ids]))  # stable, and the anchors ascend already
    return rows[order], class_ids[order]


def _greedy(
    rows: Int64,
    class_ids: Int64,
    encodings: Float32,
    scores: Float32,
    anchors: Float32,
    box_coder: Sequence[float],
    settings: NmsSettings,
) -> Kept:
    """What is kept of the candidates (rows of the heads and classes, best first)."""
    corners = clip(decode(encodings.take(rows, axis=0), anchors.take(rows, axis=0), box_coder))
    ymin, xmin, ymax, xmax = corners.T
    sides = np.stack([ymin, xmin, ymax, xmax, (ymax - ymin) * (xmax - xmin)])
    labels = class_ids.astype(np.int32)
    inside = np.flatnonzero(sides[4] > 0)
    kept = inside[:0]
    for start in range(0, len(inside), _CHUNK):
        tried = inside[start : start + _CHUNK]
        if start:
            suppressed = _overlaps(sides, labels, kept, tried, settings.iou).any(axis=0)
            tried = tried[~suppressed]
        survivors = _survivors(_overlaps(sides, labels, tried, tried, settings.iou))
        kept = np.concatenate([kept, tried[survivors]])[: settings.max]
        if len(kept) == settings.max:
            break
    rows, class_ids = rows[kept], class_ids[kept]
    return Kept(rows, class_ids, scores[rows, class_ids], corners[kept])


def _overlaps(sides: Float32, labels: NDArray[np.int32], some: Int64, others: Int64, iou: float) -> NDArray[np.bool_]:
    """Whether some boxes and others are of one class and overlap by more than `iou`: bool [M, N].

    Boxes are given by index into `sides` (five rows, ymin xmin ymax xmax area) and their classes `labels`.
    """
    rows, columns = sides.take(some, axis=1), sides.take(others, axis=1)
    ymin, xmin, ymax, xmax, area = rows[:, :, None]
    height = np.minimum(ymax, columns[2]) - np.maximum(ymin, columns[0])
    width = np.minimum(xmax, columns[3]) - np.maximum(xmin, columns[1])
    shared = np.maximum(height, 0) * width  # one factor at 0 or above: the product is positive where both are
    overlaps: NDArray[np.bool_] = shared / (area + columns[4] - shared) > np.float32(iou)
    overlaps &= labels[some, None] == labels[others]
    return overlaps


def _survivors(overlaps: NDArray[np.bool_]) -> list[int]:
    """Indices of the boxes, best first, that no better survivor overlaps; `overlaps` is bool [M, M]."""
    survivors, suppressed = [], 0
    for index, row in enumerate(np.packbits(overlaps, axis=1, bitorder="little")):
        if not suppressed >> index & 1:
            survivors.append(index)
            suppressed |= int.from_bytes(row.tobytes(), "little")
    return survivors
