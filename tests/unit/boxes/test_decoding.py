from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.boxes.nms import NmsSettings
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.coco.categories import NO_CATEGORY, NO_CLASS
from ssdbench.coco.detections import Detection
from ssdbench.errors import UserError
from ssdbench.inference.detect import rows_of

# Two anchors far apart, in an image that is twice as wide as it is high.
DECODING = HeadDecoding(
    np.array([[0, 0, 0.5, 0.5], [0.75, 0.5, 1.25, 1.0]], np.float32), (10.0, 10.0, 5.0, 5.0), NmsSettings()
)


def heads(images: int = 1) -> Heads:
    scores = np.array([[0.9, 0.3, 0.0], [0.9, 0.0, 0.8]], np.float32)
    return Heads(np.zeros((images, 2, 4), np.float32), np.stack([scores] * images))


def finished() -> Finished:
    return Finished(
        boxes=np.array([[[0.25, 0.5, 0.75, 1.5], [0, 0, 1, 1], [9, 9, 9, 9]]], np.float32),
        class_ids=np.array([[17, 90, 1]]),
        scores=np.array([[0.75, 0.5, 0.0]], np.float32),
        counts=np.array([2]),
    )


def test_heads_become_boxes_in_pixels_inside_the_image() -> None:
    (found,) = detections_of(heads(), [(200, 100)], DECODING)

    assert found.class_ids.tolist() == [2, 1]
    assert found.scores.tolist() == pytest.approx([0.8, 0.3])
    assert found.boxes.tolist() == [[100, 75, 100, 25], [0, 0, 100, 50]]


def test_each_image_of_a_batch_has_its_own_size_and_filling_is_left_out() -> None:
    found = detections_of(heads(images=3), [(200, 100), (10, 20)], DECODING)

    assert [image.boxes[1].tolist() for image in found] == [[0, 0, 100, 50], [0, 0, 5, 10]]


def test_a_finished_graph_is_taken_at_its_word() -> None:
    (found,) = detections_of(finished(), [(200, 100)])

    assert found.class_ids.tolist() == [17, 90]
    assert found.scores.tolist() == [0.75, 0.5]
    assert found.boxes.tolist() == [[100, 25, 200, 50], [0, 0, 200, 100]]  # not clipped: as others measured


def test_rows_carry_the_image_and_plain_numbers() -> None:
    found = Found(np.array([17]), np.array([0.5], np.float32), np.array([[1.0, 2.0, 3.0, 4.0]]))

    assert list(rows_of(42, found)) == [Detection(42, 17, (1.0, 2.0, 3.0, 4.0), 0.5)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["encodings", "scores"])
def test_heads_that_are_no_numbers_are_refused(part: str, value: float) -> None:
    output = heads()
    getattr(output, part)[0, :, 1:] = value

    with pytest.raises(UserError, match="NaN or infinite"):
        detections_of(output, [(200, 100)], DECODING)


@pytest.mark.parametrize("part", ["boxes", "scores"])
def test_finished_detections_that_are_no_numbers_are_refused_but_padding_may_hold_any(part: str) -> None:
    output = finished()
    getattr(output, part)[0, 2] = np.nan
    assert len(detections_of(output, [(200, 100)])[0].scores) == 2

    getattr(output, part)[0, 1] = np.nan
    with pytest.raises(UserError, match="NaN or infinite"):
        detections_of(output, [(200, 100)])


def test_heads_with_other_anchors_are_refused() -> None:
    output = Heads(np.zeros((1, 3, 4), np.float32), np.zeros((1, 3, 3), np.float32))

    with pytest.raises(UserError, match="gives 3 boxes, but there are 2 anchors"):
        detections_of(output, [(200, 100)], DECODING)


def with_ids(*ids: int) -> HeadDecoding:
    return replace(DECODING, class_ids=np.array(ids))


def test_detections_of_classes_that_the_annotations_do_not_have_are_counted_after_they_competed() -> None:
    (plain,) = detections_of(heads(), [(200, 100)], DECODING)
    for output, ids in ((heads(), (NO_CLASS, 85, NO_CATEGORY)), (finished(), (NO_CLASS, *[NO_CATEGORY] * 89, 85))):
        everything = replace(with_ids(*ids), categories=None)
        (found,) = detections_of(output, [(200, 100)], replace(everything, categories=np.array([0, 85])))
        (whole,) = detections_of(output, [(200, 100)], everything)
        assert set(found.class_ids.tolist()) == {85}
        assert len(found.scores) + found.uncategorised == len(whole.scores)
        assert found.uncategorised > 0
    (zero,) = detections_of(heads(), [(200, 100)], replace(with_ids(NO_CLASS, 0, 1), categories=np.array([0, 1])))
    assert (len(zero.scores), zero.uncategorised) == (len(plain.scores), 0)  # 0 is a category like others


def test_classes_numbered_otherwise_become_coco_s() -> None:
    plain = detections_of(heads(), [(200, 100)], DECODING)[0]

    # Columns are: background, then 85 and 17; the same without a background; and one class that COCO has not.
    (found,) = detections_of(heads(), [(200, 100)], with_ids(NO_CLASS, 85, 17))
    assert found.class_ids.tolist() == [17, 85]
    assert found.boxes.tolist() == plain.boxes.tolist()
    (found,) = detections_of(heads(), [(200, 100)], with_ids(3, 85, 17))
    assert sorted(zip(found.class_ids.tolist(), found.scores.round(2).tolist(), strict=True)) == [
        (3, pytest.approx(0.9)),
        (3, pytest.approx(0.9)),
        (17, pytest.approx(0.8)),
        (85, pytest.approx(0.3)),
    ]
    (found,) = detections_of(heads(), [(200, 100)], with_ids(NO_CLASS, NO_CLASS, 17))
    assert found.class_ids.tolist() == [17]

    (found,) = detections_of(finished(), [(200, 100)], with_ids(*range(100, 191)))
    assert found.class_ids.tolist() == [117, 190]
    (found,) = detections_of(finished(), [(200, 100)], with_ids(*[NO_CLASS] * 90, 7))
    assert (found.class_ids.tolist(), found.scores.tolist(), len(found.boxes)) == ([7], [0.5], 1)


def test_a_class_without_an_id_is_refused() -> None:
    with pytest.raises(UserError, match="scores 3 classes, but there are 2 class ids"):
        detections_of(heads(), [(200, 100)], with_ids(NO_CLASS, 17))
    with pytest.raises(UserError, match="class number 90, but there are 90 class ids"):
        detections_of(finished(), [(200, 100)], with_ids(*range(90)))
