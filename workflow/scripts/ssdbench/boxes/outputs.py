"""What a network returns, of either graph kind."""

from __future__ import annotations

from dataclasses import dataclass

from ssdbench.arrays import Float32, Int64


@dataclass(frozen=True)
class Heads:
    """Raw heads of one batch, in the project's own form unless an `OutputForm` goes with them.

    encodings: float32 [N, A, 4], ty tx th tw. scores: float32 [N, A, C + 1], sigmoid, class 0 = background.
    anchors: float32 [A, 4] where the network gives them too, in whatever form, else None.
    """

    encodings: Float32
    scores: Float32
    anchors: Float32 | None = None


@dataclass(frozen=True)
class Finished:
    """Detections that a graph made itself, best first; rows from `counts[n]` on are padding.

    boxes: float32 [N, K, 4] ymin xmin ymax xmax, normalised. class_ids: int64 [N, K], COCO ids (from 1).
    scores: float32 [N, K]. counts: int64 [N].
    """

    boxes: Float32
    class_ids: Int64
    scores: Float32
    counts: Int64
