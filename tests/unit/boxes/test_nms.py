from __future__ import annotations

import warnings
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from measuring.plain_nms import plain_suppress
from ssdbench.boxes import nms
from ssdbench.boxes.anchors import standard_anchors
from ssdbench.boxes.coordinates import clip, decode
from ssdbench.boxes.nms import NmsSettings, suppress
from ssdbench.errors import UserError

CODER = (10.0, 10.0, 5.0, 5.0)


def pairs(kept: nms.Kept) -> list[tuple[int, int]]:
    return list(zip(kept.class_ids.tolist(), kept.anchors.tolist(), strict=True))


def crowded_heads(seed: int, objects: int, columns: int = 91) -> tuple[np.ndarray, np.ndarray]:
    """Heads as an SSD gives them: low scores everywhere, high ones on the anchors that meet an object."""
    random = np.random.default_rng(seed)
    anchors = standard_anchors()
    encodings = random.normal(0, 1, (len(anchors), 4)).astype(np.float32)
    logits = random.normal(-9, 1.5, (len(anchors), columns))
    for _ in range(objects):
        centre, class_id = random.uniform(0.1, 0.9, 2), random.integers(1, columns)
        distance = np.abs((anchors[:, :2] + anchors[:, 2:]) / 2 - centre).max(axis=1)
        logits[:, class_id] += 9 * np.exp(-((distance / 0.06) ** 2))
    logits[:, 0] = 6  # background wins nearly everywhere, and is never a candidate
    return encodings, (1 / (1 + np.exp(-logits))).astype(np.float32)


@pytest.mark.parametrize(("objects", "levels"), [(1, 0), (12, 0), (60, 0), (12, 256), (60, 32)])
def test_it_equals_the_plain_definition_on_heads_of_full_size(objects: int, levels: int) -> None:
    encodings, scores = crowded_heads(seed=objects, objects=objects)
    if levels:  # as an int8 graph gives them: in steps, with many ties
        scores = (np.round(scores * levels) / levels).astype(np.float32)
    anchors = standard_anchors()

    kept = suppress(encodings, scores, anchors, CODER, NmsSettings())

    assert pairs(kept) == plain_suppress(encodings, scores, anchors, CODER, NmsSettings())
    assert kept.corners.tolist() == clip(decode(encodings, anchors, CODER))[kept.anchors].tolist()
    assert kept.scores.tolist() == scores[kept.anchors, kept.class_ids].tolist()


@settings(max_examples=200, deadline=None)
@given(data=st.data(), rows=st.integers(1, 24))
def test_it_equals_the_plain_definition_on_any_heads(data: st.DataObject, rows: int) -> None:
    encodings = data.draw(
        arrays(np.float32, (rows, 4), elements=st.sampled_from([-60, -9, -1, -0.5, 0, 0.25, 1, 7, 400]))
    )
    scores = data.draw(arrays(np.float32, (rows, 4), elements=st.sampled_from([0, 1e-9, 0.1, 0.25, 0.5, 1])))
    low = data.draw(arrays(np.float32, (rows, 2), elements=st.sampled_from([-0.1, 0, 0.125, 0.2, 0.5])))
    anchors = np.concatenate([low, low + np.float32(0.3)], axis=1)
    wanted = NmsSettings(
        score=data.draw(st.sampled_from([1e-8, 0.1, 0.3])),
        iou=data.draw(st.sampled_from([0.0, 0.3, 0.6, 1.0])),
        max=data.draw(st.integers(1, 30)),
    )

    # Small steps, so that these few rows are taken in several goes and compared in several parts.
    with patch.multiple(nms, _FIRST_ANCHORS=3, _GROWTH=2, _CHUNK=4), warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = suppress(encodings, scores, anchors, CODER, wanted)

    assert pairs(kept) == plain_suppress(encodings, scores, anchors, CODER, wanted)


def test_ties_go_by_class_and_then_by_anchor() -> None:
    anchors = np.array([[0, 0, 0.1, 0.1], [0.5, 0.5, 0.6, 0.6]], np.float32)
    scores = np.full((2, 3), 0.5, np.float32)

    kept = suppress(np.zeros((2, 4), np.float32), scores, anchors, CODER, NmsSettings())

    assert pairs(kept) == [(1, 0), (1, 1), (2, 0), (2, 1)]


def test_boxes_outside_the_image_are_dropped() -> None:
    anchors = np.array([[1.1, 0, 1.3, 0.2], [0.1, 0.1, 0.2, 0.2]], np.float32)
    scores = np.array([[0, 0.9], [0, 0.8]], np.float32)

    assert pairs(suppress(np.zeros((2, 4), np.float32), scores, anchors, CODER, NmsSettings())) == [(1, 1)]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused(value: float) -> None:
    encodings, scores = crowded_heads(seed=0, objects=3)
    scores[1000, 50] = value

    with pytest.raises(UserError, match="NaN or infinite"):
        suppress(encodings, scores, standard_anchors(), CODER, NmsSettings())


def test_tensorflow_keeps_the_same() -> None:
    import tensorflow as tf

    encodings, scores = crowded_heads(seed=5, objects=25)
    anchors = standard_anchors()
    boxes = clip(decode(encodings, anchors, CODER))
    visible = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # TensorFlow keeps what is out of sight
    theirs = tf.image.combined_non_max_suppression(
        boxes[visible][None, :, None],
        scores[visible][None, :, 1:],
        max_output_size_per_class=100,
        max_total_size=100,
        iou_threshold=0.6,
        score_threshold=1e-8,
    )

    ours = suppress(encodings, scores, anchors, CODER, NmsSettings())

    assert len(np.unique(ours.scores)) == 100  # no ties, whose order TensorFlow leaves open
    assert ours.scores.tolist() == theirs.nmsed_scores[0].numpy().tolist()
    assert ours.class_ids.tolist() == (theirs.nmsed_classes[0].numpy() + 1).tolist()
    assert ours.corners.tolist() == theirs.nmsed_boxes[0].numpy().tolist()
