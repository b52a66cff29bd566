"""Tells the form of class scores from their values on a few images, float32 [M, A, C]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssdbench.arrays import Float32
from ssdbench.errors import UserError
from ssdbench.inspection.finding import STATED, Answer, Finding, Missing

_ROUNDED = 0.01  # an int8 output is rounded to 1/256
# A background class wins nearly everywhere: .99 of the anchors of SSDLite on COCO, with a mean score of .93.
_WINS, _SCORE = 0.8, 0.5
# Ids up to 90 that no object of COCO has: nothing was ever trained to score there.
UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_UNUSED = 0.1  # of the median of the other classes' best scores; .03 seen
_WITH_BACKGROUND_FIRST = re.compile(r"class_scores$|class_predictions_with_background$")


@dataclass(frozen=True)
class Columns:
    """What is known of the columns besides their values.

    output: name of the output. ids: how many class ids are stated, None for none; none_at: which of them mean none.
    """

    output: str = ""
    ids: int | None = None
    none_at: tuple[int, ...] = ()


def tell_activation(scores: Float32, stated: str | None) -> Answer:
    """Whether scores still lack a sigmoid or softmax.

    Raises:
        UserError: what is stated cannot be.
    """
    low, high = float(scores.min()), float(scores.max())
    within = low >= -_ROUNDED and high <= 1 + _ROUNDED
    values = f"the class scores are {low:.3g} to {high:.3g}"
    if stated is None:
        if within:
            return Finding("none", f"found by the values: {values}")
        what = "so they are logits" if low < 0 else "not scores from 0 to 1, nor usual logits, as none is below 0"
        return Missing("activation", f"{values}, {what}; whether a sigmoid or a softmax is to come shows nowhere")
    if (stated == "none") != within:
        wrong = "are not scores from 0 to 1" if stated == "none" else "have had their activation already"
        raise UserError(f"`activation: {stated}` is stated, but {values}, which {wrong}: correct it.")
    if stated == "sigmoid" and low >= 0:
        raise UserError(
            f"`activation: sigmoid` is stated, but {values}: a sigmoid would make all of them 0.5 and more. Export the "
            "scores from 0 to 1, or as logits."
        )
    return Finding(stated, STATED)


def tell_background(scores: Float32, columns: Columns, stated: str | None) -> Answer:
    """Which column of scores from 0 to 1 is the background.

    Raises:
        UserError: what is stated cannot be.
    """
    count = scores.shape[-1]
    seen = _by_winner(scores) or _by_unused_ids(scores)
    if stated is not None:
        if seen is not None and seen.value != stated:
            raise UserError(f"`background: {stated}` is stated, but it is {seen.value}, {seen.how}: correct it.")
        return Finding(stated, STATED)
    if seen is not None:
        return seen
    if count == 1:
        return Finding("none", "found by the shape: there is one class")
    if (by_ids := _by_class_ids(count, columns)) is not None:
        return by_ids
    if _WITH_BACKGROUND_FIRST.search(columns.output.split(":")[0]):
        return Finding("first", f"found by the output's name, {columns.output}")
    if count == 80:
        return Finding("none", "found by the shape: COCO has 80 classes")
    return Missing("background", f"no column of the {count} class scores wins nearly everywhere, as a background does")


def _by_winner(scores: Float32) -> Finding | None:
    count = scores.shape[-1]
    if count == 1:
        return None
    wins = np.bincount(scores.argmax(axis=-1).ravel(), minlength=count) / scores[..., 0].size
    best = int(wins.argmax())
    mean = float(scores[..., best].mean())
    if wins[best] < _WINS or mean < _SCORE or best not in (0, count - 1):
        return None
    place = "first" if best == 0 else "last"
    return Finding(place, f"found by the values: column {best} wins at {wins[best]:.0%} of the anchors")


def _by_unused_ids(scores: Float32) -> Finding | None:
    """In which of the usual ways the columns are COCO's ids 1 to 90: where ids that COCO leaves out never score."""
    starts = {91: {"first": 0, "last": -1}, 90: {"none": -1}}.get(scores.shape[-1], {})
    best = scores.reshape(-1, scores.shape[-1]).max(axis=0)
    typical = float(np.median(best))
    fitting = [place for place, shift in starts.items() if best[np.array(UNUSED_IDS) + shift].max() < _UNUSED * typical]
    if len(fitting) != 1:
        return None
    return Finding(fitting[0], "found by the values: the columns of the ids that COCO leaves out never score")


def _by_class_ids(count: int, columns: Columns) -> Finding | None:
    """By where the stated class ids have none."""
    if columns.ids != count:
        return None
    places = {(): "none", (0,): "first", (count - 1,): "last"}
    place = places.get(tuple(columns.none_at[:1]) if 0 in columns.none_at else _last_alone(columns.none_at, count))
    return None if place is None else Finding(place, "found by class_ids")


def _last_alone(none_at: Sequence[int], count: int) -> tuple[int, ...]:
    """Ids that mean none amid the others leave classes out; one at the end is the background."""
    return (count - 1,) if count - 1 in none_at else ()
