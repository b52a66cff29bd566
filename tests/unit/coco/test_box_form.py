"""Boxes in a wrong form are told by where they lie; sound ones are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ssdbench.arrays import Float64
from ssdbench.coco.box_form import box_form_notes


def boxes_in(size: Float64, seed: int) -> Float64:
    """Boxes x, y, width, height that lie within images of these sizes, at least a tenth of them wide and high."""
    random = np.random.default_rng(seed)
    side = size * random.uniform(0.1, 1, size.shape)
    return np.concatenate([random.uniform(0, 1, size.shape) * (size - side), side], axis=1)


def sizes(count: int, seed: int) -> Float64:
    return np.random.default_rng(seed + 1).integers(40, 900, (count, 2)).astype(np.float64)


@given(count=st.integers(0, 60), seed=st.integers(0, 2**20))
def test_boxes_within_their_images_are_not_remarked(count: int, seed: int) -> None:
    size = sizes(count, seed)
    assert box_form_notes(boxes_in(size, seed), size) == []


@given(seed=st.integers(0, 2**20))
def test_corners_centres_and_shares_are_named(seed: int) -> None:
    size = sizes(80, seed)
    box = boxes_in(size, seed)
    corners = np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)
    centres = np.concatenate([box[:, :2] + box[:, 2:] / 2, box[:, 2:]], axis=1)
    shares = box / np.tile(size, 2)
    for form, words in ((corners, "corners, x1, y1, x2, y2"), (centres, "a centre"), (shares, "normalised")):
        (note,) = box_form_notes(form, size)
        assert words in note
        assert "annotated boxes" in note


def test_boxes_of_images_lying_on_their_side_are_named() -> None:
    size = np.tile([[640.0, 480.0]], (50, 1))
    (note,) = box_form_notes(boxes_in(size[:, ::-1], 3), size)
    assert "width and height are swapped" in note


def test_few_boxes_beyond_the_border_are_not_remarked_and_many_of_no_known_form_are() -> None:
    size = np.tile([[100.0, 100.0]], (20, 1))
    box = np.tile([[10.0, 10.0, 50.0, 50.0]], (20, 1))
    box[0] = [-30, 10, 50, 50]
    assert box_form_notes(box, size) == []
    box[:5] = [-30, 10, 50, 50]
    assert box_form_notes(box, size) == ["5 of 20 annotated boxes leave their image; in COCO none does."]


@pytest.mark.parametrize("side", [0.5, 0.99])
def test_boxes_under_a_pixel_are_remarked(side: float) -> None:
    (note,) = box_form_notes(np.array([[50.0, 60.0, side, side]]), np.array([[100.0, 100.0]]))
    assert "under one pixel" in note


@given(arrays.arrays(np.float64, (5, 4), elements=st.floats(0, 1e9)))
def test_no_boxes_make_it_fail(box: Float64) -> None:
    assert len(box_form_notes(box, np.full((5, 2), 300.0))) <= 1
