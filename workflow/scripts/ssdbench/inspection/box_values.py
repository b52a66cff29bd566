"""Tells the form of boxes from their values on a few images, float32 [M, A, 4], and of anchors, float32 [A, 4]."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ssdbench.arrays import Float32, Int64
from ssdbench.boxes.coordinates import clip, decode
from ssdbench.boxes.output_form import BoxOrder, OutputForm, standard_heads
from ssdbench.boxes.outputs import Heads
from ssdbench.catalog.registry import FASTER_RCNN
from ssdbench.errors import UserError
from ssdbench.inspection.finding import STATED, Answer, Finding, Missing

_NEARLY_ALL, _MOST = 0.999, 0.9
_LARGEST_SHARE = 3.0  # boxes reach beyond the image by little more than their own size
_OFF_CENTRE = 0.05  # of the mean of all centres of a grid, in shares of the side
_SLOWER = 3.0  # y keeps more of its variance than x in means over a row's length; 10 times and more is usual
_TF_ENCODINGS = re.compile(r"(^|/)(raw_)?box_encodings$")

# Confident anchors around one object agree on its box if they are decoded as they were trained: a mean IoU with the
# nearest of .84 (COCO) and .91 (the sample's scenes) for SSDLite; .59 and .67 with x and y swapped, .25 with another
# box coder.
_CONFIDENT, _LOOKED_AT, _ENOUGH = 0.3, 60, 20
_AGREE, _MARGIN, _DISAGREE = 0.75, 0.12, 0.5
_ORDERS: tuple[BoxOrder, BoxOrder] = ("yx", "xy")
# The usual divisors, those of a network that divides by itself, and others that are near enough to the usual ones to be
# taken for them: with half or twice the right ones, the mean overlap is .74 to .83, .08 below that with the right ones.
# With the usual ones twice, boxes hardly leave their anchors, which gives .67.
_CODERS = (FASTER_RCNN, (1.0, 1.0, 1.0, 1.0), (5.0, 5.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0))
_SURE, _BETTER = 0.8, 0.04
# On the scenes of the sample, a network with the usual divisors has .73.
_USUAL = 0.7


def tell_box_form(
    boxes: Float32, size: tuple[int, int] | None, stated: str | None = None, key: str = "box_form"
) -> Answer:
    """Whether boxes are encodings, corners or centre and size; size: height and width of the input.

    Raises:
        UserError: what is stated cannot be.
    """
    ends_after = (boxes[..., 2:] >= boxes[..., :2]).all(axis=-1).mean()
    is_corners = ends_after >= _NEARLY_ALL and (boxes[..., 2:] > boxes[..., :2]).all(axis=-1).mean() >= _MOST
    have_sizes = (boxes[..., 2:] > 0).all(axis=-1).mean()
    if stated is not None:
        shares = {"corners": ends_after, "centre_size": have_sizes}
        if shares.get(stated, 1.0) < _NEARLY_ALL:
            wrong = "end before they begin" if stated == "corners" else "have a size below 0"
            raise UserError(
                f"`{key}: {stated}` is stated, but {1 - shares[stated]:.0%} of the boxes {wrong}: correct it."
            )
        if stated == "encodings" and is_corners:
            raise UserError(
                f"`{key}: encodings` is stated, but in all of the boxes the last two numbers are larger than the "
                "first two, as in corners that were decoded already: correct it."
            )
        return Finding(stated, STATED)
    if is_corners:
        return Finding("corners", "found by the values: each box ends after it begins")
    if have_sizes < _NEARLY_ALL:
        return Finding("encodings", f"found by the values: {1 - have_sizes:.0%} have a size below 0")
    sides = np.ones(2) if np.abs(boxes).max() <= _LARGEST_SHARE else np.array(size or (1, 1))
    middle = boxes[..., :2].reshape(-1, 2).mean(axis=0)
    if min(np.abs(middle / order - 0.5).max() for order in (sides, sides[::-1])) < _OFF_CENTRE:
        return Finding("centre_size", "found by the values: all sizes are above 0, around centres all over the image")
    return Missing(key, "the boxes have sizes, and do not lie around centres as boxes of a grid of anchors do")


def tell_box_scale(boxes: Float32, size: tuple[int, int] | None, stated: str | None) -> Answer:
    """Whether decoded boxes are shares of the image's sides or pixels of the input of this height and width.

    Raises:
        UserError: what is stated cannot be.
    """
    most = float(np.percentile(np.abs(boxes), 99.5))
    words = f"found by the values: they reach to {most:.3g}"
    found: str | None = None
    if most <= _LARGEST_SHARE:
        found = "normalised"
    elif size is not None and 0.5 * min(size) <= most <= _LARGEST_SHARE * max(size):
        found = "pixels"
    if stated is not None:
        if found not in (stated, None):
            raise UserError(f"`box_scale: {stated}` is stated, but the boxes reach to {most:.3g}: correct it.")
        return Finding(stated, STATED)
    if found is None:
        return Missing("box_scale", f"the boxes reach to {most:.3g}, neither shares nor pixels of the input")
    return Finding(found, words)


def tell_decoded_order(boxes: Float32, form: str, stated: str | None) -> Answer:
    """Whether decoded boxes (or anchors) have y first: along a grid, rows after one another, x changes faster.

    Raises:
        UserError: what is stated cannot be.
    """
    centres = boxes[..., :2] if form == "centre_size" else (boxes[..., :2] + boxes[..., 2:]) / 2
    first, second = _slowness(centres.reshape(-1, *centres.shape[-2:]).mean(axis=0))
    found: str | None = None
    if max(first, second) > _SLOWER * min(first, second):
        found = "yx" if first > second else "xy"
    if stated is not None:
        if found not in (stated, None):
            raise UserError(
                f"`box_order: {stated}` is stated, but along the boxes the "
                f"{'first' if found == 'xy' else 'second'} coordinate changes faster, as x does in a grid: correct it."
            )
        return Finding(stated, STATED)
    if found is None:
        return Missing("box_order", "along the boxes, neither coordinate changes faster, as x does in a grid")
    return Finding(found, "found by the values: along the boxes, x changes faster than y")


def _slowness(centres: Float32) -> Float32:
    """The variance that means over about a row of the first grid keep, for each coordinate of centres [A, 2]."""
    length = max(int(1.5 * np.sqrt(len(centres))), 1)
    whole = len(centres) // length * length
    variance: Float32 = centres[:whole].reshape(-1, length, 2).mean(axis=1).var(axis=0)
    return variance


def tell_box_coder(
    boxes: Float32, scores: Float32, anchors: Float32, stated: tuple[float, ...] | None
) -> tuple[Answer, tuple[float, ...]]:
    """What encodings are divided by: stated, or the usual one with which anchors around one object agree on its box.

    scores: float32 [M, A, classes + 1] in standard form.
    """
    if stated is not None:
        return Finding(_numbers(stated), STATED), stated
    agreed: dict[tuple[float, ...], float] = {}
    for coder in _CODERS:
        overlaps = [_agreement(boxes, scores, anchors, coder, order) for order in _ORDERS]
        agreed[coder] = max((overlap for overlap in overlaps if overlap is not None), default=0.0)
    best, second = sorted(_CODERS, key=lambda coder: -agreed[coder])[:2]
    taken = None
    if agreed[FASTER_RCNN] >= _USUAL and agreed[best] - agreed[FASTER_RCNN] < _BETTER:
        taken = FASTER_RCNN
    elif agreed[best] >= _SURE and agreed[best] - agreed[second] >= _BETTER:
        taken = best
    if taken is not None:
        other = second if taken == best else best
        how = f"neighbours agree (mean overlap {agreed[taken]:.2f}; {agreed[other]:.2f} with {_numbers(other)})"
        return Finding(_numbers(taken), f"found by the values: {how}"), taken
    if agreed[best] >= _DISAGREE:
        why = (
            f"confident anchors around one object agree on its box by {agreed[FASTER_RCNN]:.2f} with the usual "
            f"divisors, {_numbers(FASTER_RCNN)}, which may not be the model's"
        )
        return Missing("box_coder", why), FASTER_RCNN
    return Finding(_numbers(FASTER_RCNN), "the usual one, unless `box_coder` is stated"), FASTER_RCNN


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def tell_encoding_order(
    boxes: Float32,
    scores: Float32,
    anchors: Float32,
    box_coder: Sequence[float],
    output: str,
    stated: str | None,
    is_all_stated: bool = False,
) -> Answer:
    """Whether encodings have ty first: with the right order, anchors around one object agree on its box.

    scores: float32 [M, A, classes + 1] in standard form. output: the name of the boxes' output. is_all_stated: anchors
    and box coder are stated, and believed whatever comes of them.

    Raises:
        UserError: neighbouring anchors agree with neither order, or not with the one that is stated.
    """
    agreed = {order: _agreement(boxes, scores, anchors, box_coder, order) for order in _ORDERS}
    if agreed["yx"] is not None and agreed["xy"] is not None:
        best = max(_ORDERS, key=lambda order: agreed[order] or 0.0)
        other = agreed["xy" if best == "yx" else "yx"]
        if agreed[best] < _DISAGREE and not is_all_stated:  # type: ignore[operator]
            raise UserError(
                "Confident anchors around one object do not agree on its box (mean overlap "
                f"{agreed[best]:.2f}): the anchors or the box_coder are not those that the model was trained with. "
                "State `anchors` and `box_coder`."
            )
        if agreed[best] >= _AGREE and other <= agreed[best] - _MARGIN:  # type: ignore[operator]
            how = f"neighbours agree (mean overlap {agreed[best]:.2f}; {other:.2f} in the other order)"
            if stated not in (None, best):
                raise UserError(f"`box_order: {stated}` is stated, but {best} fits: {how}. Correct it.")
            return Finding(best, STATED if stated else f"found by the values: {how}")
    if stated is not None:
        return Finding(stated, STATED)
    if _TF_ENCODINGS.search(output.split(":")[0]):
        return Finding("yx", f"found by the output's name, {output}")
    return Missing("box_order", "too little scores on these images to tell ty tx th tw from tx ty tw th")


def _agreement(
    boxes: Float32, scores: Float32, anchors: Float32, box_coder: Sequence[float], order: BoxOrder
) -> float | None:
    """The mean overlap of confident boxes with the nearest other of their class; None where there are too few."""
    standard = standard_heads(Heads(boxes, scores), OutputForm(box_order=order)).encodings
    overlaps: list[float] = []
    for encodings, classes in zip(standard, scores[..., 1:], strict=True):
        best = classes.max(axis=-1)
        chosen = np.argsort(-best)[:_LOOKED_AT]
        chosen = chosen[best[chosen] > _CONFIDENT]
        if len(chosen) > 1:
            corners = clip(decode(encodings[chosen], anchors[chosen], box_coder))
            overlaps += _nearest(corners, classes[chosen].argmax(axis=-1)).tolist()
    return float(np.mean(overlaps)) if len(overlaps) >= _ENOUGH else None


def _nearest(corners: Float32, labels: Int64) -> Float32:
    low = np.maximum(corners[:, np.newaxis, :2], corners[np.newaxis, :, :2])
    high = np.minimum(corners[:, np.newaxis, 2:], corners[np.newaxis, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=-1)
    overlap = shared / np.maximum(areas[:, np.newaxis] + areas - shared, np.float32(1e-9))
    overlap *= labels[:, np.newaxis] == labels
    np.fill_diagonal(overlap, 0)
    nearest: Float32 = overlap.max(axis=1)
    return nearest
