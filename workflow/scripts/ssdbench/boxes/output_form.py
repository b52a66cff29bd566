"""The form in which a network gives its boxes and scores, and the way from there to the project's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ssdbench.arrays import Float32
from ssdbench.boxes.outputs import Heads

BoxForm = Literal["encodings", "corners", "centre_size"]
BoxOrder = Literal["yx", "xy"]
BoxScale = Literal["normalised", "pixels"]
Activation = Literal["none", "sigmoid", "softmax"]
Background = Literal["first", "last", "none"]

_CODES = {
    ("encodings", "yx"): "encodings, ty tx th tw",
    ("encodings", "xy"): "encodings, tx ty tw th",
    ("corners", "yx"): "decoded, y1 x1 y2 x2",
    ("corners", "xy"): "decoded, x1 y1 x2 y2",
    ("centre_size", "yx"): "decoded, cy cx h w",
    ("centre_size", "xy"): "decoded, cx cy w h",
}


@dataclass(frozen=True)
class OutputForm:
    """What the two outputs of raw heads mean. As it stands without arguments, it is the project's own form.

    box_form: `encodings` (of anchors), or boxes that the network decoded itself: `corners` or `centre_size`.
    box_order: `yx` (ty tx th tw; y1 x1 y2 x2; cy cx h w) or `xy` (x before y, width before height).
    box_scale: of decoded boxes, `normalised` (shares of the image's sides) or `pixels` of the network's input.
    activation: what is still to be applied to the scores.
    background: where the column of the background class stands.
    """

    box_form: BoxForm = "encodings"
    box_order: BoxOrder = "yx"
    box_scale: BoxScale = "normalised"
    activation: Activation = "none"
    background: Background = "first"

    @property
    def is_decoded(self) -> bool:
        """Whether the network decodes its boxes, so that no anchors are needed."""
        return self.box_form != "encodings"

    def describe_boxes(self) -> str:
        """The boxes in words: `decoded, x1 y1 x2 y2, in pixels`."""
        scale = {"pixels": ", in pixels of the input", "normalised": ", in shares of the sides"}[self.box_scale]
        return _CODES[self.box_form, self.box_order] + (scale if self.is_decoded else "")


def standard_heads(heads: Heads, form: OutputForm, size: tuple[int, int] | None = None) -> Heads:
    """The heads in the project's own form.

    Args:
        heads: boxes float32 [N, A, 4] and scores float32 [N, A, C], both in `form`.
        size: height and width of the network's input in pixels; needed where boxes are in such pixels.

    Returns:
        scores float32 [N, A, classes + 1] from 0 to 1, column 0 the background (0 where the network has none); boxes
        [N, A, 4] as encodings ty, tx, th, tw or, of a network that decodes, ymin, xmin, ymax, xmax, normalised.
    """
    boxes: Float32 = _in_order(heads.encodings, form.box_order)
    if form.box_form == "centre_size":
        half: Float32 = boxes[..., 2:] * np.float32(0.5)
        boxes = np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1, dtype=np.float32)
    if form.is_decoded and form.box_scale == "pixels":
        assert size is not None, "pixels are of an input whose size is known"
        sides: Float32 = np.array([*size, *size], np.float32)
        boxes = boxes / sides
    return Heads(boxes, _background_first(activated(heads.scores, form.activation), form.background))


def _in_order(boxes: Float32, order: BoxOrder) -> Float32:
    return boxes if order == "yx" else boxes[..., [1, 0, 3, 2]]


def activated(scores: Float32, activation: Activation) -> Float32:
    """Scores float32 [..., C] after the activation that they still lack."""
    if activation == "none":
        return scores
    with np.errstate(over="ignore"):  # exp of a very negative logit's negative is infinite, and the sigmoid 0
        if activation == "sigmoid":
            share: Float32 = np.reciprocal(1 + np.exp(-scores))
            return share
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        probability: Float32 = powers / powers.sum(axis=-1, keepdims=True)
        return probability


def _background_first(scores: Float32, background: Background) -> Float32:
    if background == "first":
        return scores
    if background == "last":
        return np.roll(scores, 1, axis=-1)
    return np.concatenate([np.zeros_like(scores[..., :1]), scores], axis=-1, dtype=np.float32)
