"""From what a network returns to detections in pixels, alike for every framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ssdbench.arrays import Float32, Float64, Int64
from ssdbench.boxes.coordinates import to_pixels
from ssdbench.boxes.nms import NOT_FINITE, NmsSettings, suppress
from ssdbench.boxes.output_form import OutputForm, standard_heads
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.coco.categories import NO_CLASS
from ssdbench.errors import UserError


@dataclass(frozen=True)
class Found:
    """The detections of one image, best first.

    class_ids: int64 [K], the categories' ids. scores: float32 [K]. boxes: float64 [K, 4], x y w h in pixels of the
    image as it is read. uncategorised: how many more were found of classes that the annotations do not have.
    """

    class_ids: Int64
    scores: Float32
    boxes: Float64
    uncategorised: int = 0


@dataclass(frozen=True)
class HeadDecoding:
    """What turns heads into boxes.

    anchors: float32 [A, 4], ymin xmin ymax xmax, normalised; None where the network decodes its boxes. box_coder: the
    divisors of ty, tx, th, tw. nms: thresholds and the number of boxes. class_ids: int64, the category's id of each
    class of the network by its number (for heads, by column in standard form), NO_CLASS or NO_CATEGORY; None where the
    numbers are the ids. categories: int64, the ids that the annotations have; None for all. A graph that finishes its
    boxes needs no more than these two. form: of the network's outputs. size: height and width of its input in pixels,
    for boxes in such pixels.
    """

    anchors: Float32 | None
    box_coder: tuple[float, ...]
    nms: NmsSettings
    class_ids: Int64 | None = None
    categories: Int64 | None = None
    form: OutputForm = field(default_factory=OutputForm)
    size: tuple[int, int] | None = None

    def standard(self, output: Heads | Finished) -> Heads | Finished:
        """The network's output with heads in the project's own form."""
        return self.standard_heads(output) if isinstance(output, Heads) else output

    def standard_heads(self, heads: Heads) -> Heads:
        """Heads in the project's own form."""
        return standard_heads(heads, self.form, self.size)


def detections_of(
    output: Heads | Finished, sizes: Sequence[tuple[int, int]], decoding: HeadDecoding | None = None
) -> list[Found]:
    """The detections of a batch's images.

    Boxes of heads are clipped to the image; boxes that a graph finished itself stay as it gave them. Detections of
    classes that the annotations do not have compete with the others, and then are counted and left out.

    Args:
        output: what the network returned for N images (rows beyond the given sizes are filling).
        sizes: width and height in pixels of the stored images.
        decoding: needed for heads, and where classes are not numbered as COCO does.

    Raises:
        UserError: a number is NaN or infinite, or the heads do not fit the anchors or the class ids.
    """
    categories = decoding.categories if decoding else None
    if isinstance(output, Finished):
        class_ids = decoding.class_ids if decoding else None
        return [_within(_finished(output, index, size, class_ids), categories) for index, size in enumerate(sizes)]
    assert decoding is not None, "heads need to be decoded"
    heads = decoding.standard_heads(output)
    _check_heads(heads, decoding.anchors)
    return [_within(_suppressed(heads, index, size, decoding), categories) for index, size in enumerate(sizes)]


def _check_heads(output: Heads, anchors: Float32 | None) -> None:
    if anchors is not None and output.encodings.shape[1] != len(anchors):
        raise UserError(
            f"The network gives {output.encodings.shape[1]} boxes, but there are {len(anchors)} anchors. "
            "Give the anchors that the model was trained with."
        )
    if not np.isfinite(output.encodings).all():
        raise UserError(NOT_FINITE)


def _within(found: Found, categories: Int64 | None) -> Found:
    """The detections of these categories, and how many there are of others."""
    if categories is None:
        return found
    known = np.isin(found.class_ids, categories)
    if known.all():
        return found
    return Found(found.class_ids[known], found.scores[known], found.boxes[known], int(np.count_nonzero(~known)))


def _of_classes(scores: Float32, class_ids: Int64) -> tuple[Float32, Int64]:
    """Scores [A, K + 1] of what is a class, behind a column for the background, and their ids [K + 1]."""
    if scores.shape[1] != len(class_ids):
        raise UserError(
            f"The network scores {scores.shape[1]} classes, but there are {len(class_ids)} class ids. "
            "Give an id for each."
        )
    columns = np.flatnonzero(class_ids != NO_CLASS)
    if np.array_equal(columns, np.arange(1, len(class_ids))):
        return scores, class_ids
    chosen = np.zeros((len(scores), len(columns) + 1), np.float32)
    chosen[:, 1:] = scores[:, columns]
    return chosen, np.concatenate([[NO_CLASS], class_ids[columns]])


def _suppressed(output: Heads, index: int, size: tuple[int, int], decoding: HeadDecoding) -> Found:
    scores, class_ids = output.scores[index], decoding.class_ids
    if class_ids is not None:
        scores, class_ids = _of_classes(scores, class_ids)
    kept = suppress(output.encodings[index], scores, decoding.anchors, decoding.box_coder, decoding.nms)
    found = kept.class_ids if class_ids is None else class_ids[kept.class_ids]
    return Found(found, kept.scores, to_pixels(kept.corners, *size))


def _finished(output: Finished, index: int, size: tuple[int, int], class_ids: Int64 | None) -> Found:
    count = max(int(output.counts[index]), 0)
    scores, boxes = output.scores[index, :count], output.boxes[index, :count]
    if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
        raise UserError(NOT_FINITE)
    found = output.class_ids[index, :count]
    if class_ids is not None:
        if not ((found >= 0) & (found < len(class_ids))).all():
            raise UserError(
                f"The network gives the class number {found.max()}, but there are {len(class_ids)} class ids. "
                "Give an id for each."
            )
        found = class_ids[found]
        is_class = found != NO_CLASS
        found, scores, boxes = found[is_class], scores[is_class], boxes[is_class]
    return Found(found, scores, to_pixels(boxes, *size))
