"""The check before an artifact is published: it passes what is the same detector and stops what is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ssdbench.boxes.nms import NmsSettings, suppress
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.registry import GraphNms
from ssdbench.conversion.check_conversion import Figure, NotJudged, compare_detections, compare_heads, require
from ssdbench.errors import UserError
from support.tiny_detector import ANCHORS, CLASSES, tiny_anchors

CODER = (10.0, 10.0, 5.0, 5.0)
NMS = GraphNms()


def some_heads(seed: int = 0) -> Heads:
    rng = np.random.default_rng(seed)
    scores = rng.random((1, ANCHORS, CLASSES + 1), dtype=np.float32) ** 4
    return Heads(rng.normal(0, 1, (1, ANCHORS, 4)).astype(np.float32), scores)


def finished(heads: Heads) -> Finished:
    kept = suppress(
        heads.encodings[0], heads.scores[0], tiny_anchors(), CODER, NmsSettings(NMS.score, NMS.iou, NMS.max)
    )
    count = np.array([len(kept.scores)], np.int64)
    return Finished(kept.corners[None], kept.class_ids[None], kept.scores[None], count)


def passes(figures: list[Figure] | NotJudged) -> bool:
    try:
        require(figures, "the reference", 1)
    except UserError:
        return False
    return True


@pytest.mark.parametrize(
    ("precision", "boxes", "scores", "good"),
    [
        ("fp32", 9e-4, 9e-4, True),
        ("fp32", 1.1e-3, 0.0, False),
        ("fp32", 0.0, 1.1e-3, False),
        ("fp32", float("nan"), 0.0, False),
        ("fp16", 0.49, 0.049, True),
        ("fp16", 0.51, 0.0, False),
        ("fp16", 0.0, 0.051, False),
        ("fp16", 0.0, float("nan"), False),
    ],
)
def test_float_heads_may_differ_up_to_the_limit(precision: str, boxes: float, scores: float, good: bool) -> None:
    heads = some_heads()
    encodings, class_scores = heads.encodings.copy(), heads.scores.copy()
    encodings[0, 3, 2] += np.float32(boxes)
    class_scores[0, 5, 1] += np.float32(scores)
    assert passes(compare_heads(precision, [heads], [Heads(encodings, class_scores)])) is good


def test_int8_heads_must_keep_class_and_score_of_what_scores() -> None:
    heads = some_heads()
    assert passes(compare_heads("int8", [heads], [heads]))
    shifted = np.roll(heads.scores, 1, axis=2)
    assert not passes(compare_heads("int8", [heads], [Heads(heads.encodings, shifted)]))
    assert not passes(compare_heads("int8", [heads], [Heads(heads.encodings, heads.scores * np.float32(0.6))]))
    assert not passes(compare_heads("int8", [heads], [Heads(heads.encodings, heads.scores * np.float32("nan"))]))
    with pytest.raises(UserError, match=r"raise calibration\.images, or calibrate on images of objects"):
        compare_heads("int8", [Heads(heads.encodings, heads.scores * np.float32(0.1))], [heads])


def test_heads_of_another_shape_are_no_comparison() -> None:
    heads = some_heads()
    with pytest.raises(UserError, match="another shape"):
        compare_heads("fp32", [heads], [Heads(heads.encodings[:, 1:], heads.scores[:, 1:])])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_detections_need_partners_on_both_sides(precision: str) -> None:
    heads = some_heads()
    right = finished(heads)

    def good(output: Finished) -> bool:
        return passes(compare_detections(precision, [heads], [output], tiny_anchors(), CODER, NMS))

    assert good(right)
    assert not good(replace(right, class_ids=right.class_ids - 1))
    assert not good(replace(right, boxes=right.boxes[..., [1, 0, 3, 2]]))
    assert not good(replace(right, counts=right.counts // 2))
    assert not good(replace(right, boxes=np.clip(right.boxes + np.float32(0.5), 0, 1)))


def test_a_detector_that_knows_nothing_on_the_images_is_not_judged_at_fp32_and_refused_at_int8() -> None:
    heads = some_heads()
    quiet = Heads(heads.encodings, heads.scores * np.float32(0.2))
    outcome = compare_detections("fp32", [quiet, quiet], [finished(quiet)] * 2, tiny_anchors(), CODER, NMS)
    record = require(outcome, "the reference", 2)
    assert record["compared"] == "not judged: nothing scored above 0.31 on 2 images"
    assert record["figures"] == {}
    assert passes(compare_heads("fp32", [quiet], [quiet]))
    with pytest.raises(UserError, match=r"Nothing scores above 0\.45 on the 1 calibration images.*raise calibration"):
        compare_detections("int8", [quiet], [finished(quiet)], tiny_anchors(), CODER, NMS)


def test_a_conversion_that_invents_detections_is_judged_by_them() -> None:
    heads = some_heads()
    quiet = Heads(heads.encodings, heads.scores * np.float32(0.2))
    assert not passes(compare_detections("fp32", [quiet], [finished(heads)], tiny_anchors(), CODER, NMS))


def test_a_failed_check_states_figure_and_limit() -> None:
    figures = [Figure("share", 0.5, 0.95, least=True), Figure("difference", 0.1, 0.2)]
    with pytest.raises(UserError, match=r"share is 0\.5, and at least 0\.95 is allowed") as error:
        require(figures, "the reference", 3)
    assert "difference is" not in str(error.value)
