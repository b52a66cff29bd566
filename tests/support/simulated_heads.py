"""Heads as a trained detector gives them, simulated: confident anchors around a few objects, and background elsewhere.

Random weights do not tell their form by their values; these do, as real detectors do, and need no weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.boxes.anchors import standard_anchors
from ssdbench.boxes.output_form import OutputForm
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.runtimes.base import Session
from ssdbench.runtimes.input_form import InputForm
from ssdbench.runtimes.output_ports import Ports

CODER = (10.0, 10.0, 5.0, 5.0)
CLASSES = 7


def simulated(images: int = 4, seed: int = 0, classes: int = CLASSES, softmax: bool = False) -> Heads:
    """Heads of images in the project's own form, for the standard anchors: float32 [images, 1917, ...]."""
    rng = np.random.default_rng(seed)
    anchors = standard_anchors().astype(np.float64)
    centre, size = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    encodings = rng.normal(0, 1.5, (images, len(anchors), 4))
    scores = rng.uniform(0, 0.01, (images, len(anchors), classes + 1))
    for image in range(images):
        for _ in range(4):
            sides = rng.uniform(0.15, 0.6, 2)
            middle = rng.uniform(sides / 2, 1 - sides / 2)
            near = np.argsort(_distance(centre, size, middle, sides))[:10]
            encodings[image, near, :2] = (middle - centre[near]) / size[near] * CODER[:2]
            encodings[image, near, 2:] = np.log(sides / size[near]) * CODER[2:]
            encodings[image, near] += rng.normal(0, 0.2, (len(near), 4))
            scores[image, near, 1 + rng.integers(classes)] = rng.uniform(0.5, 0.9, len(near))
    scores[..., 0] = np.maximum(1 - scores[..., 1:].sum(axis=-1), 0.01)
    if softmax:
        scores /= scores.sum(axis=-1, keepdims=True)
    return Heads(encodings.astype(np.float32), scores.astype(np.float32))


def _distance(centre: Any, size: Any, middle: Any, sides: Any) -> Any:
    return np.abs(centre - middle).sum(axis=1) + np.abs(np.log(size / sides)).sum(axis=1)


def in_form(heads: Heads, form: OutputForm, input_size: tuple[int, int]) -> Heads:
    """Heads of the project's own form in another, written down apart from the code that reads them."""
    boxes, scores = heads.encodings.astype(np.float64), heads.scores.astype(np.float64)
    if form.box_form != "encodings":
        anchors = standard_anchors().astype(np.float64)
        centre, size = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
        middle = boxes[..., :2] / CODER[:2] * size + centre
        sides = np.exp(boxes[..., 2:] / CODER[2:]) * size
        first, second = (middle, sides) if form.box_form == "centre_size" else (middle - sides / 2, middle + sides / 2)
        boxes = np.concatenate([first, second], axis=-1)
        if form.box_scale == "pixels":
            boxes *= [*input_size, *input_size]
    if form.box_order == "xy":
        boxes = boxes[..., [1, 0, 3, 2]]
    if form.background == "last":
        scores = np.concatenate([scores[..., 1:], scores[..., :1]], axis=-1)
    if form.background == "none":
        scores = scores[..., 1:]
    if form.activation == "sigmoid":
        scores = np.log(scores / (1 - scores))
    if form.activation == "softmax":
        scores = np.log(scores) + 3.0
    return Heads(boxes.astype(np.float32), scores.astype(np.float32))


class Replay(Session):
    """A session that gives heads made before, image after image."""

    def __init__(self, heads: Heads, form: InputForm, names: tuple[str, ...] = ("first", "second")) -> None:
        super().__init__(Path("mine.onnx"), 1, Ports("heads", names), form)
        self._heads, self._next = heads, 0

    def infer(self, pixels: NDArray[np.uint8]) -> Heads | Finished:
        index = self._next % len(self._heads.scores)
        self._next += 1
        one = slice(index, index + 1)
        return Heads(self._heads.encodings[one], self._heads.scores[one], self._heads.anchors)

    def facts(self) -> dict[str, Any]:
        return {}
