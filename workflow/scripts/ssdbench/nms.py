"""Per-class greedy non-maximum suppression on heads, exact and without looking at every score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdbench.boxes import clip, decode
from ssdbench.outputs import Float32, Heads, Int64

# A hundred boxes are usually kept from the best 130 to 450 scores (SSD on COCO), so that many are looked at
# first. Another start costs time only.
_FIRST_CANDIDATES = 360
_GROWTH = 10
_CHUNK = 128  # candidates whose overlaps are computed at once: bounds memory
_SAMPLE_STEP = 7  # every 7th anchor tells the scores' distribution; coprime to the grids and boxes per cell


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
    """
    wanted = _FIRST_CANDIDATES
    lowest = np.float32(settings.score)
    while True:
        bound = max(_score_bound(scores, wanted), lowest)
        kept = _greedy(*_candidates(scores, bound), encodings, scores, anchors, box_coder, settings)
        if len(kept.scores) == settings.max or bound == lowest:
            return kept
        wanted *= _GROWTH


def _score_bound(scores: Float32, wanted: int) -> np.float32:
    """A score that roughly `wanted` candidates exceed, guessed from a sample of the anchors."""
    sample = scores[::_SAMPLE_STEP, 1:]
    rank = wanted // _SAMPLE_STEP
    if rank >= sample.size:
        return np.float32(-np.inf)
    return np.float32(np.partition(sample, -rank, axis=None)[-rank])


def _candidates(scores: Float32, bound: np.float32) -> tuple[Int64, Int64]:
    """Anchors and classes int64 [M] of the scores above `bound`, best first."""
    above = scores > bound
    above[:, 0] = False
    anchors, class_ids = np.divmod(np.flatnonzero(above), scores.shape[1])
    order = np.lexsort((anchors, class_ids, -scores[anchors, class_ids]))
    return anchors[order], class_ids[order]


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
    corners = clip(decode(encodings[rows], anchors[rows], box_coder))
    inside = np.flatnonzero(_areas(corners) > 0)
    rows, class_ids, corners = rows[inside], class_ids[inside], corners[inside]
    kept = np.empty(0, np.int64)
    for start in range(0, len(rows), _CHUNK):
        tried = np.arange(start, min(start + _CHUNK, len(rows)))
        if start:
            suppressed = _overlaps(corners[kept], class_ids[kept], corners[tried], class_ids[tried], settings.iou)
            tried = tried[~suppressed.any(axis=0)]
        overlaps = _overlaps(corners[tried], class_ids[tried], corners[tried], class_ids[tried], settings.iou)
        kept = np.concatenate([kept, tried[_survivors(overlaps)]])[: settings.max]
        if len(kept) == settings.max:
            break
    rows, class_ids = rows[kept], class_ids[kept]
    return Kept(rows, class_ids, scores[rows, class_ids], corners[kept])


def _areas(corners: Float32) -> Float32:
    return (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])


def _overlaps(
    corners: Float32, class_ids: Int64, others: Float32, other_ids: Int64, iou: float
) -> NDArray[np.bool_]:
    """Whether boxes [M] and other boxes [N] are of one class and overlap by more than `iou`: bool [M, N]."""
    ymin, xmin, ymax, xmax = corners.T[:, :, None]
    ymin_o, xmin_o, ymax_o, xmax_o = np.ascontiguousarray(others.T)
    height = np.minimum(ymax, ymax_o) 
    height -= np.maximum(ymin, ymin_o)
    shared = np.minimum(xmax, xmax_o)
    shared -= np.maximum(xmin, xmin_o)
    np.maximum(height, 0, out=height)  # one side is enough: the other then leaves the product's sign
    shared *= height
    union = (ymax - ymin) * (xmax - xmin) + (ymax_o - ymin_o) * (xmax_o - xmin_o)
    union -= shared
    shared /= union
    return (shared > np.float32(iou)) & (class_ids[:, None] == other_ids)


def _survivors(overlaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the boxes, best first, no better survivor overlaps: bool [M] from bool [M, M]."""
    alive = np.ones(len(overlaps), bool)
    better, worse = np.nonzero(np.triu(overlaps, 1))
    # Pairs come by their better box, so it is settled whether that one lives before it suppresses another.
    for i, j in zip(better.tolist(), worse.tolist(), strict=True):
        if alive[i]:
            alive[j] = False
    return alive
