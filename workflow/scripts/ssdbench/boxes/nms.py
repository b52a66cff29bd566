"""Per-class greedy non-maximum suppression on heads, exact and without looking at every score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float32, Int64
from ssdbench.boxes.coordinates import clip, decode
from ssdbench.errors import UserError

NOT_FINITE = "The network returned NaN or infinite numbers. Convert it again, or use another precision."

# A hundred boxes are usually kept from the best 130 to 450 scores (SSD on COCO, 300 in nine images of ten), so
# the anchors that hold about so many are looked at first. Another start costs time only.
_FIRST_ANCHORS = 320
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
    encodings: Float32, scores: Float32, anchors: Float32 | None, box_coder: Sequence[float], settings: NmsSettings
) -> Kept:
    """Greedy non-maximum suppression, class by class, of one image's heads.

    Equal to going through all pairs of anchor and class by score descending, then class, then anchor, and
    keeping each whose clipped box does not overlap a kept box of its class by more than `settings.iou`,
    until `settings.max` are kept. What is kept depends on the best candidates alone, so only as many
    are taken as that needs.

    Args:
        encodings: float32 [A, 4], ty tx th tw; without anchors, boxes ymin xmin ymax xmax, normalised.
        scores: float32 [A, C + 1], class 0 = background, which is left out.
        anchors: float32 [A, 4], ymin xmin ymax xmax, normalised; None for boxes that are decoded already.
        box_coder: the divisors of ty, tx, th, tw.
        settings: thresholds and the number of boxes.

    Raises:
        UserError: a score is NaN or infinite.
    """
    best = np.maximum.reduceat(scores.ravel(), _spans(*scores.shape))[1::2]
    if not np.isfinite(best).all():
        raise UserError(NOT_FINITE)
    lowest = np.float32(settings.score)
    wanted = _FIRST_ANCHORS
    while True:
        bound = max(np.partition(best, -wanted)[-wanted], lowest) if wanted <= len(best) else lowest
        rows, class_ids, ranked = _candidates(scores, np.flatnonzero(best > bound), bound)
        boxes = encodings.take(rows, axis=0)
        corners = clip(boxes if anchors is None else decode(boxes, anchors.take(rows, axis=0), box_coder))
        kept = _greedy(corners, class_ids, settings)
        if len(kept) == settings.max or bound == lowest:
            return Kept(rows[kept], class_ids[kept], ranked[kept], corners[kept])
        wanted *= _GROWTH


@cache
def _spans(anchors: int, columns: int) -> Int64:
    """Where the background and the classes of each anchor begin in the scores one after the other: int64 [2 A].

    A maximum over such spans takes half the time of one along the last axis of the array without its first column.
    """
    starts = np.arange(0, anchors * columns, columns).repeat(2)
    starts[1::2] += 1
    return starts


def _candidates(scores: Float32, rows: Int64, bound: np.float32) -> tuple[Int64, Int64, Float32]:
    """Anchors int64 [M], classes int64 [M] and values of the scores above `bound` in these rows, best first.

    Ties go by class, then anchor.
    """
    some = scores.take(rows, axis=0)
    above = some > bound
    above[:, 0] = False
    places = np.flatnonzero(above)
    values = some.ravel().take(places)
    index, class_ids = np.divmod(places, scores.shape[1])
    order = np.lexsort((class_ids, -values))  # stable, and the anchors ascend already
    return rows[index[order]], class_ids[order], values[order]


def _greedy(corners: Float32, class_ids: Int64, settings: NmsSettings) -> Int64:
    """Which candidates are kept, best first: indices of boxes [M, 4] and classes [M] that come best first."""
    ymin, xmin, ymax, xmax = corners.T
    sides = np.stack([ymax, xmax, -ymin, -xmin, (ymax - ymin) * (xmax - xmin)])
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
    return kept


def _overlaps(sides: Float32, labels: NDArray[np.int32], some: Int64, others: Int64, iou: float) -> NDArray[np.bool_]:
    """Whether some boxes and others are of one class and overlap by more than `iou`: bool [M, N].

    Boxes are given by index into `sides` (five rows, ymax xmax -ymin -xmin area) and their classes `labels`.
    """
    rows, columns = sides.take(some, axis=1), sides.take(others, axis=1)
    least = np.minimum(rows[:4, :, None], columns[:4, None])
    height, width = least[:2] + least[2:]  # with the lower ends negative, one minimum does for all four
    overlaps: NDArray[np.bool_] = height > 0  # where both are negative, their product is positive too
    shared = np.multiply(height, width, out=height)
    union = rows[4, :, None] + columns[4]
    union -= shared
    with np.errstate(divide="ignore", invalid="ignore"):  # as a union of boxes that lie apart may be 0 here
        shared /= union
    overlaps &= shared > np.float32(iou)
    overlaps &= labels.take(some)[:, None] == labels.take(others)
    return overlaps


def _survivors(overlaps: NDArray[np.bool_]) -> list[int]:
    """Indices of the boxes, best first, that no better survivor overlaps; `overlaps` is bool [M, M]."""
    width = (len(overlaps) + 7) // 8
    rows = np.packbits(overlaps, axis=1, bitorder="little").tobytes()
    survivors, left = [], (1 << len(overlaps)) - 1
    while left:
        best = left & -left
        index = best.bit_length() - 1
        survivors.append(index)
        left &= ~(best | int.from_bytes(rows[index * width : (index + 1) * width], "little"))
    return survivors
