from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.detections import Detection, Detections
from ssdbench.coco.objects import Annotation
from ssdbench.evaluation import coco_matching
from ssdbench.evaluation.coco_matching import Matches, match
from support.detections import invented_truth, pycocotools_evaluation, real_detections, small_cases

pytestmark = pytest.mark.slow


def ours(matches: Matches, category: int, size: int, image: int) -> dict[str, list[Any]]:
    """What becomes of the detections of one category, size and image, in the terms of COCOeval.evalImgs."""
    detections = np.flatnonzero((matches.detection_category == category) & (matches.detection_image == image))
    matched = np.zeros((10, len(matches.detection_image)), bool)
    matched[:, matches.taker] = matches.taken[size]
    ignored = np.repeat(~matches.inside[[size]], 10, axis=0)
    ignored[matched] = ~matches.true[size][matches.taken[size]]
    truths = (matches.truth_category == category) & (matches.truth_size == size) & (matches.truth_image == image)
    return {
        "matched": matched[:, detections].tolist(),
        "ignored": ignored[:, detections].tolist(),
        "truths": [int(truths.sum())],
    }


def theirs(entry: dict[str, Any] | None) -> dict[str, list[Any]]:
    """The same from COCOeval.evalImgs."""
    if entry is None:
        return {"matched": [[]] * 10, "ignored": [[]] * 10, "truths": [0]}
    return {
        "matched": (entry["dtMatches"] > 0).tolist(),
        "ignored": entry["dtIgnore"].tolist(),
        "truths": [int((entry["gtIgnore"] == 0).sum())],
    }


def assert_same(truth: Annotations, found: Sequence[Detection], image_ids: Sequence[int]) -> None:
    matches = match(truth, Detections.of(found), image_ids)
    evaluator = pycocotools_evaluation(truth, found, image_ids)
    entries = iter(evaluator.evalImgs)
    for category in range(len(evaluator.params.catIds)):
        for size in range(4):
            for image in range(len(image_ids)):
                assert ours(matches, category, size, image) == theirs(next(entries)), (category, size, image)


@settings(max_examples=300, deadline=None)
@given(small_cases())
def test_it_equals_pycocotools_on_any_boxes(case: tuple[Annotations, list[Detection]]) -> None:
    truth, found = case
    assert_same(truth, found, [1, 2, 3])
    assert_same(truth, found, [3, 1])


def test_it_equals_pycocotools_on_real_detections(coco_sample: Any) -> None:
    truth = read_annotations(coco_sample.annotations)
    ids = [image.id for image in truth.images][:40]
    assert_same(truth, real_detections("rgb"), ids)


@pytest.mark.parametrize("at_once", [1, 50, 10_000])
def test_objects_near_each_other_and_apart_are_matched_in_parts_of_any_size(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coco_matching, "_PAIRS_AT_ONCE", at_once)
    random = np.random.default_rng(0)

    def rows(number: int) -> list[tuple[int, int, tuple[float, ...]]]:
        corners, sides = random.integers(0, 80, (number, 2)) / 2, random.choice([30, 40, 60, 96], (number, 2))
        boxes = np.concatenate([corners, sides], axis=1).tolist()
        classes = random.choice(3, number, p=[0.7, 0.2, 0.1]) + 1
        return list(zip(random.integers(1, 9, number).tolist(), classes.tolist(), map(tuple, boxes), strict=True))

    truth = [Annotation(0, *row, float(random.choice([900, 3000])), random.random() < 0.1) for row in rows(60)]
    found = [Detection(*row, int(random.integers(20)) / 20) for row in rows(800)]

    assert_same(invented_truth(8, 3, truth), found, range(1, 9))


def test_of_two_objects_overlapped_alike_the_last_is_taken() -> None:
    truth = invented_truth(1, 1, [Annotation(n, 1, 1, (x, 0, 96, 96), 9216, False) for n, x in ((1, 0), (2, 16))])
    between, on_the_last = (8.0, 0.0, 96.0, 96.0), (16.0, 0.0, 96.0, 96.0)
    found = [Detection(1, 1, between, 0.9), Detection(1, 1, on_the_last, 0.5)]

    assert_same(truth, found, [1])
    matches = match(truth, Detections.of(found), [1])
    assert matches.taken[0, 5].tolist() == [True, False]  # at .75 the second finds nothing left


def test_a_category_has_a_hundred_detections_an_image() -> None:
    truth = invented_truth(1, 2, [Annotation(1, 1, 1, (0, 0, 50, 50), 2500, False)])
    found = [Detection(1, 1 + n % 2, (0, 0, 50, 50), 0.001 * n) for n in range(240)]

    assert_same(truth, found, [1])
    assert np.bincount(match(truth, Detections.of(found), [1]).detection_category).tolist() == [100, 100]


def test_detections_are_ranked_across_images_by_score_then_image() -> None:
    found = [Detection(image, 1, (0, 0, 9, 9), score) for image, score in ((2, 0.5), (1, 0.2), (1, 0.5), (2, 0.9))]

    assert match(invented_truth(2, 1, []), Detections.of(found), [1, 2]).detection_image.tolist() == [1, 0, 1, 0]


def test_nothing_found_and_nothing_to_find() -> None:
    matches = match(invented_truth(2, 1, []), Detections.of([]), [1, 2])

    assert matches.image_ids.tolist() == [1, 2]
    assert matches.inside.shape == (4, 0)
    assert matches.taker.size == matches.truth_image.size == 0
