from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace

import pytest

from ssdbench.boxes.decoding import Found
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.categories import Category
from ssdbench.coco.detections import Detection, Detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.objects import Annotation, Objects
from ssdbench.diagnosis.image_losses import ObjectScores, image_disagreements, image_losses
from ssdbench.evaluation.image_matching import found_by_image
from support.real_detections import real_detections, real_truth

BOX = (100.0, 100.0, 100.0, 100.0)
TRUTH = Annotations(
    (Category(1, "cat"), Category(2, "dog")),
    tuple(ImageRecord(identity, f"{identity}.jpg", 640, 480, "") for identity in (1, 2, 3)),
    Objects.of(
        [
            Annotation(11, 1, 1, BOX, 10000, False),
            Annotation(12, 1, 2, BOX, 10000, False),
            Annotation(21, 2, 1, BOX, 10000, False),
            Annotation(31, 3, 1, BOX, 10000, True),
        ]
    ),
    (),
)


def by_image(rows: Iterable[Detection], ids: Sequence[int]) -> dict[int, Found]:
    return found_by_image(Detections.of(rows), ids)


def test_the_image_that_lost_most_comes_first_with_its_objects() -> None:
    reference = [Detection(1, 1, BOX, 0.75), Detection(1, 2, BOX, 0.5), Detection(2, 1, BOX, 0.25)]
    cell = [
        Detection(1, 1, (140, 100, 100, 100), 0.75),  # beside the cat
        Detection(1, 2, BOX, 0.5),
        Detection(2, 1, BOX, 0.5),
        Detection(3, 1, BOX, 0.9),  # a crowd: finds nothing
    ]

    ids = [1, 2, 3]
    first, second, third = image_losses(TRUTH, by_image(reference, ids), by_image(cell, ids))

    assert (first.image_id, first.lost, first.truths) == (1, 0.75, 2)
    assert (first.found_by_reference, first.found_by_cell) == (2, 1)
    assert first.objects == (ObjectScores(annotation_id=11, category_id=1, reference=0.75, cell=0.0),)
    assert (second.image_id, second.lost, second.truths, second.objects) == (3, 0, 0, ())
    assert (third.image_id, third.lost) == (2, -0.25)
    json.dumps(asdict(first))


def test_a_confident_find_weighs_more_than_many_faint_ones() -> None:
    first, _, third, _ = TRUTH.annotations
    faint = [replace(third, id=100 + n, bbox=(n * 150.0, 0, 100, 100)) for n in range(4)]
    truth = replace(TRUTH, annotations=Objects.of([first, *faint]))
    reference = [Detection(1, 1, BOX, 0.9), *(Detection(2, 1, row.bbox, 0.05) for row in faint)]

    losses = image_losses(truth, by_image(reference, [2, 1]), by_image([], [2, 1]))
    assert [loss.image_id for loss in losses] == [1, 2]


def test_the_same_detections_lose_nothing_and_exchanged_ones_the_opposite() -> None:
    truth = real_truth()
    ids = [image.id for image in truth.images]
    fp32, int8 = (by_image(real_detections(name), ids) for name in ("tensorflow/fp32", "tflite/int8"))

    assert {(loss.lost, loss.objects) for loss in image_losses(truth, fp32, fp32)} == {(0.0, ())}
    there = {loss.image_id: loss.lost for loss in image_losses(truth, fp32, int8)}
    back = {loss.image_id: -loss.lost for loss in image_losses(truth, int8, fp32)}
    assert there == pytest.approx(back)
    assert max(there.values()) > 0.1


def test_a_threshold_loses_what_was_found_below_it_and_nothing_else() -> None:
    truth, rows = real_truth(), Detections.of(real_detections("tensorflow/fp32"))
    ids = [image.id for image in truth.images]

    losses = image_losses(truth, found_by_image(rows, ids), found_by_image(rows[rows.score > 0.3], ids))

    changed = [one for loss in losses for one in loss.objects]
    assert len(changed) > 20
    assert all(one.reference <= 0.3 and one.cell == 0 for one in changed)
    assert [loss.lost for loss in losses] == sorted((loss.lost for loss in losses), reverse=True)


def test_without_truth_the_image_with_the_most_disagreement_comes_first() -> None:
    reference = [
        Detection(1, 1, BOX, 0.75),
        Detection(2, 1, BOX, 0.5),
        Detection(2, 2, BOX, 0.25),
        Detection(3, 1, BOX, 0.9),
    ]
    cell = [
        Detection(1, 2, BOX, 0.5),  # of another class: a box of its own
        Detection(2, 1, BOX, 0.25),
        Detection(2, 2, (300, 300, 50, 50), 0.125),  # both too faint to count
        Detection(3, 1, BOX, 0.9),
    ]
    found, other = by_image(reference, [1, 2, 3]), by_image(cell, [1, 2, 3])

    first, second = image_disagreements(found, other)

    assert (first.image_id, first.lost) == (1, 1.25)
    assert (second.image_id, second.lost) == (2, 0.25)
    assert image_disagreements(other, found) == [first, second]
