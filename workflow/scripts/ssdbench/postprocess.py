"""From what a network returns to detections in pixels, alike for every framework."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ssdbench.boxes import Float64, to_pixels
from ssdbench.coco import Detection
from ssdbench.errors import UserError
from ssdbench.nms import NOT_FINITE, NmsSettings, suppress
from ssdbench.outputs import Finished, Float32, Heads, Int64


@dataclass(frozen=True)
class Found:
    """The detections of one image, best first.

    class_ids: int64 [K], COCO ids. scores: float32 [K]. boxes: float64 [K, 4], x y w h in pixels of the
    stored image.
    """

    class_ids: Int64
    scores: Float32
    boxes: Float64


@dataclass(frozen=True)
class HeadDecoding:
    """What turns heads into boxes.

    anchors: float32 [A, 4], ymin xmin ymax xmax, normalised. box_coder: the divisors of ty, tx, th, tw.
    nms: thresholds and the number of boxes.
    """

    anchors: Float32
    box_coder: tuple[float, ...]
    nms: NmsSettings


def detections_of(
    output: Heads | Finished, sizes: Sequence[tuple[int, int]], decoding: HeadDecoding | None = None
) -> list[Found]:
    """The detections of a batch's images.

    Boxes of heads are clipped to the image; boxes that a graph finished itself stay as it gave them. Class
    ids are passed on unchecked: whether the dataset knows them is for the caller to say.

    Args:
        output: what the network returned for N images (rows beyond the given sizes are filling).
        sizes: width and height in pixels of the stored images.
        decoding: needed for heads.

    Raises:
        UserError: a number is NaN or infinite, or the heads do not fit the anchors.
    """
    if isinstance(output, Finished):
        return [_finished(output, index, size) for index, size in enumerate(sizes)]
    assert decoding is not None, "heads need anchors"
    _check_heads(output, decoding.anchors)
    return [_suppressed(output, index, size, decoding) for index, size in enumerate(sizes)]


def rows_of(image_id: int, found: Found) -> Iterator[Detection]:
    """The rows of one image for a detections file."""
    columns = zip(found.class_ids.tolist(), found.boxes.tolist(), found.scores.tolist(), strict=True)
    for class_id, (x, y, width, height), score in columns:
        yield Detection(image_id, class_id, (x, y, width, height), score)


def _check_heads(output: Heads, anchors: Float32) -> None:
    if output.encodings.shape[1] != len(anchors):
        raise UserError(
            f"The network gives {output.encodings.shape[1]} boxes, but there are {len(anchors)} anchors. "
            "Give the anchors that the model was trained with."
        )
    if not np.isfinite(output.encodings).all():
        raise UserError(NOT_FINITE)


def _suppressed(output: Heads, index: int, size: tuple[int, int], decoding: HeadDecoding) -> Found:
    kept = suppress(output.encodings[index], output.scores[index], decoding.anchors, decoding.box_coder, decoding.nms)
    return Found(kept.class_ids, kept.scores, to_pixels(kept.corners, *size))


def _finished(output: Finished, index: int, size: tuple[int, int]) -> Found:
    count = max(int(output.counts[index]), 0)
    scores, boxes = output.scores[index, :count], output.boxes[index, :count]
    if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
        raise UserError(NOT_FINITE)
    return Found(output.class_ids[index, :count], scores, to_pixels(boxes, *size))
