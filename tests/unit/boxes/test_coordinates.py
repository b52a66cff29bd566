from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ssdbench.boxes.coordinates import clip, decode, to_pixels

CODER = (10.0, 10.0, 5.0, 5.0)
ENCODINGS = st.floats(-40, 40, width=32)


def plain_decode(encoding: list[float], anchor: list[float]) -> list[float]:
    """One box by the formula of TensorFlow's faster_rcnn_box_coder, in double precision."""
    ymin, xmin, ymax, xmax = anchor
    ha, wa = ymax - ymin, xmax - xmin
    ty, tx, th, tw = (t / scale for t, scale in zip(encoding, CODER, strict=True))
    h, w = math.exp(th) * ha, math.exp(tw) * wa
    y, x = ty * ha + ymin + ha / 2, tx * wa + xmin + wa / 2
    return [y - h / 2, x - w / 2, y + h / 2, x + w / 2]


@given(
    arrays(np.float32, (2, 3, 4), elements=ENCODINGS),
    arrays(np.float32, (3, 2), elements=st.floats(0, 1, width=32)),
    arrays(np.float32, (3, 2), elements=st.floats(0.0625, 1, width=32)),
)
def test_decode_equals_the_plain_formula(encodings: np.ndarray, low: np.ndarray, size: np.ndarray) -> None:
    anchors = np.concatenate([low, low + size], axis=1)

    decoded = decode(encodings, anchors, CODER)

    assert decoded.dtype == np.float32
    assert decoded.shape == (2, 3, 4)
    for image in range(2):
        for index in range(3):
            plain = plain_decode(encodings[image, index].tolist(), anchors[index].tolist())
            np.testing.assert_allclose(decoded[image, index], plain, rtol=1e-5, atol=1e-5)


def test_encodings_of_zero_give_the_anchors() -> None:
    anchors = np.array([[0.25, 0.125, 0.5, 0.75]], np.float32)

    assert decode(np.zeros((1, 4), np.float32), anchors, CODER).tolist() == anchors.tolist()


@pytest.mark.filterwarnings("error")
def test_a_huge_encoding_covers_the_image_without_a_warning() -> None:
    anchors = np.array([[0.4, 0.4, 0.6, 0.6]], np.float32)
    encodings = np.array([[0, 0, 1000, 1000]], np.float32)

    assert clip(decode(encodings, anchors, CODER)).tolist() == [[0, 0, 1, 1]]


def test_pixels_swap_the_axes_and_scale_each_by_its_own_length() -> None:
    corners = np.array([[[0.25, 0.5, 0.75, 0.625]]], np.float32)  # ymin xmin ymax xmax

    assert to_pixels(corners, width=640, height=400).tolist() == [[[320, 100, 80, 200]]]
