"""Non-maximum suppression by its definition, slow and plain: what the fast one is held against."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssdbench.arrays import Float32
from ssdbench.boxes.coordinates import clip, decode
from ssdbench.boxes.nms import NmsSettings

Box = tuple[np.float32, np.float32, np.float32, np.float32]


def plain_suppress(
    encodings: Float32, scores: Float32, anchors: Float32, box_coder: Sequence[float], wanted: NmsSettings
) -> list[tuple[int, int]]:
    """(class, anchor) of what is kept, best first: every score is looked at, one after the other.

    Args:
        encodings: float32 [A, 4], ty tx th tw. scores: float32 [A, C + 1], class 0 = background.
        anchors: float32 [A, 4], ymin xmin ymax xmax, normalised. box_coder: the divisors of ty, tx, th, tw.
    """
    boxes = clip(decode(encodings, anchors, box_coder))
    count, columns = scores.shape
    ranked = sorted(
        (-float(scores[a, c]), c, a)
        for a in range(count)
        for c in range(1, columns)
        if scores[a, c] > np.float32(wanted.score)
    )
    kept: list[tuple[int, int]] = []
    for _, class_id, anchor in ranked:
        box = _box(boxes, anchor)
        rivals = [_box(boxes, other) for other_class, other in kept if other_class == class_id]
        if _area(box) > 0 and not any(_overlap(rival, box) > np.float32(wanted.iou) for rival in rivals):
            kept.append((class_id, anchor))
            if len(kept) == wanted.max:
                break
    return kept


def _box(boxes: Float32, index: int) -> Box:
    ymin, xmin, ymax, xmax = boxes[index]
    return ymin, xmin, ymax, xmax


def _area(box: Box) -> np.float32:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(one: Box, other: Box) -> np.float32:
    height = max(np.float32(0), min(one[2], other[2]) - max(one[0], other[0]))
    width = max(np.float32(0), min(one[3], other[3]) - max(one[1], other[1]))
    shared = height * width
    return shared / (_area(one) + _area(other) - shared)
