from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.detections import Detection, Detections
from ssdbench.coco.objects import Annotation, Objects
from ssdbench.evaluation import bootstrap
from ssdbench.evaluation.bootstrap import COMPARED_METRICS, Draws, Interval, compare, draw, verdict
from ssdbench.evaluation.coco_matching import match
from support.detections import invented_truth, pycocotools_evaluation, real_detections, small_cases

pytestmark = pytest.mark.slow

Case = tuple[Annotations, list[Detection]]


def pycocotools_metrics(truth: Annotations, found: Sequence[Detection]) -> Any:
    """`COMPARED_METRICS` by pycocotools, NaN for its -1."""
    stats = pycocotools_evaluation(truth, found, [image.id for image in truth.images]).stats
    return pytest.approx([math.nan if stats[i] < 0 else stats[i] for i in (0, 1, 3, 4, 5)], abs=1e-6, nan_ok=True)


def drawn_from(truth: Annotations, found: Sequence[Detection], replicates: int, seed: int = 0) -> Draws:
    return draw(match(truth, Detections.of(found), [image.id for image in truth.images]), replicates, seed)


def repeated(truth: Annotations, found: Sequence[Detection], times: Sequence[int]) -> Case:
    """A dataset that holds each image so many times, every copy with its own id."""
    copies: dict[int, list[int]] = {}
    for image, count in zip(sorted(truth.images, key=lambda image: image.id), times, strict=True):
        copies[image.id] = [image.id * 1000 + n for n in range(count)]

    def rows(of: Iterable[Any]) -> list[Any]:
        return [replace(row, image_id=copy) for row in of for copy in copies[row.image_id]]

    images = tuple(replace(image, id=copy) for image in truth.images for copy in copies[image.id])
    return replace(truth, images=images, annotations=Objects.of(rows(truth.annotations))), rows(found)


def without_ties(found: Sequence[Detection]) -> list[Detection]:
    """The same with scores that all differ: where they do not, COCO sets no order for an image and its copies."""
    return [replace(row, score=row.score + 1e-6 * n) for n, row in enumerate(found)]


@pytest.fixture(scope="module")
def truth(coco_sample: Any) -> Annotations:
    return read_annotations(coco_sample.annotations)


@pytest.fixture(scope="module")
def reference(truth: Annotations) -> Draws:
    return drawn_from(truth, real_detections("rgb"), 1000)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_every_image_once_is_what_pycocotools_measures_on_real_images(truth: Annotations, channels: str) -> None:
    found = real_detections(channels)

    measured = drawn_from(truth, found, 0).measured

    assert measured.tolist() == pycocotools_metrics(truth, found)
    assert measured[0] > 0.2


@settings(max_examples=200, deadline=None)
@given(small_cases())
def test_every_image_once_is_what_pycocotools_measures_on_any_boxes(case: Case) -> None:
    assert drawn_from(*case, 0).measured.tolist() == pycocotools_metrics(*case)


def times_drawn(images: int, replicates: int, seed: int) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return [np.bincount(random.integers(images, size=images), minlength=images).tolist() for _ in range(replicates)]


def test_a_draw_is_what_pycocotools_measures_on_the_images_drawn(truth: Annotations) -> None:
    found = without_ties(real_detections("rgb"))

    draws = drawn_from(truth, found, 2, seed=5)

    for times, metrics in zip(times_drawn(len(truth.images), 2, seed=5), draws.drawn.tolist(), strict=True):
        assert metrics == pycocotools_metrics(*repeated(truth, found, times))


@settings(max_examples=100, deadline=None)
@given(case=small_cases(), seed=st.integers(0, 99))
def test_a_draw_is_what_pycocotools_measures_on_any_images_drawn(case: Case, seed: int) -> None:
    truth, found = case[0], without_ties(case[1])

    (metrics,) = drawn_from(truth, found, 1, seed).drawn.tolist()

    assert metrics == pycocotools_metrics(*repeated(truth, found, times_drawn(3, 1, seed)[0]))


def test_the_seed_decides_the_draws_and_memory_does_not(truth: Annotations, reference: Draws) -> None:
    found = real_detections("rgb")

    with patch.object(bootstrap, "_NUMBERS_AT_ONCE", 20_000):
        few_at_once = drawn_from(truth, found, 30)
    other = drawn_from(truth, found, 30, seed=1)

    assert few_at_once.drawn == pytest.approx(reference.drawn[:30], abs=1e-12)
    assert other.measured.tolist() == reference.measured.tolist()
    assert (other.drawn != reference.drawn[:30]).all()


def test_a_cell_equal_to_the_reference_is_kept_with_no_difference(reference: Draws) -> None:
    result = compare(reference, reference)

    assert result.verdict.name == "kept"
    assert result.intervals == {name: Interval(0.0, 0.0, 0.0) for name in COMPARED_METRICS}
    assert (result.images, result.replicates, result.seed) == (130, 1000, 0)


def bgr(rows: list[Detection]) -> list[Detection]:
    return real_detections("bgr")


def class_ids_off_by_one(rows: list[Detection]) -> list[Detection]:
    return [replace(row, category_id=row.category_id + 1) for row in rows]


def threshold(rows: list[Detection]) -> list[Detection]:
    return [row for row in rows if row.score >= 0.3]


def nothing(rows: list[Detection]) -> list[Detection]:
    return []


@pytest.mark.parametrize("worse", [bgr, class_ids_off_by_one, threshold, nothing])
def test_a_cell_made_worse_is_lost(
    truth: Annotations, reference: Draws, worse: Callable[[list[Detection]], list[Detection]]
) -> None:
    result = compare(reference, drawn_from(truth, worse(real_detections("rgb")), 1000))

    assert result.verdict.name == "lost"
    assert result.intervals["AP"].high < -0.003


def test_noise_as_of_half_precision_is_not_lost(truth: Annotations, reference: Draws) -> None:
    random = np.random.default_rng(3)
    noisy = []
    for row in real_detections("rgb"):
        *box, score = (np.array([*row.bbox, row.score]) * (1 + random.normal(0, 2**-11, 5))).tolist()
        noisy.append(replace(row, bbox=tuple(box), score=score))

    result = compare(reference, drawn_from(truth, noisy, 1000))

    assert result.verdict.name in ("kept", "undecided")
    assert result.intervals["AP"].low <= 0 <= result.intervals["AP"].high
    assert result.intervals["AP"].low != result.intervals["AP"].high


def scenes(random: np.random.Generator, images: int) -> tuple[Annotations, list[Detection], list[Detection]]:
    """Objects of three classes, and what a detector and a worse one make of them: both err on the same ones."""
    objects, better, worse = [], [], []
    for image in range(1, images + 1):
        for place in range(random.poisson(2.5)):
            category, x, ease = int(random.choice([1, 1, 1, 2, 2, 3])), 200.0 * place, random.normal(1)
            objects.append(Annotation(len(objects) + 1, image, category, (x, 0, 100, 100), 5000, False))
            for found, recall, blur in ((better, 0.8, 8), (worse, 0.7, 10)):
                if random.random() < recall:
                    box = (x + abs(random.normal(0, blur)), 0.0, 100.0, 100.0)
                    found.append(Detection(image, category, box, ease + random.normal(0, 0.3)))
        for place in range(random.poisson(2)):
            category, ease = int(random.integers(1, 4)), random.normal(-0.5)
            for found in (better, worse):
                box = (200.0 * place, 300.0, 100.0, 100.0)
                found.append(Detection(image, category, box, ease + random.normal(0, 0.3)))
    return invented_truth(images, 3, objects), better, worse


def test_the_intervals_cover_a_known_difference() -> None:
    random = np.random.default_rng(11)
    truth, better, worse = scenes(random, 10_000)
    known = float(drawn_from(truth, worse, 0).measured[0] - drawn_from(truth, better, 0).measured[0])
    assert -0.15 < known < -0.05

    trials, covered = 200, 0
    for trial in range(trials):
        truth, better, worse = scenes(random, 80)
        result = compare(drawn_from(truth, better, 300, trial), drawn_from(truth, worse, 300, trial))
        covered += result.intervals["AP"].low <= known <= result.intervals["AP"].high

    assert 0.90 * trials <= covered <= 0.99 * trials


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (Interval(0.0, -0.0029, 0.004), "kept"),
        (Interval(0.01, 0.002, 0.02), "kept"),
        (Interval(-0.001, -0.0031, 0.001), "undecided"),
        (Interval(-0.006, -0.01, -0.0029), "undecided"),
        (Interval(-0.006, -0.01, -0.0031), "lost"),
    ],
)
def test_the_verdict_is_on_a_hundredth_of_the_reference(interval: Interval, expected: str) -> None:
    result = verdict(interval, 0.3, 500)

    assert result.name == expected
    assert (result.images_needed is None) == (expected != "undecided")
    assert "0.300" in result.words and "99 %" in result.words


@given(
    difference=st.floats(-0.1, 0.1),
    below=st.floats(0.001, 0.1),
    above=st.floats(0.001, 0.1),
    images=st.integers(10, 5000),
)
def test_as_many_images_as_needed_decide(difference: float, below: float, above: float, images: int) -> None:
    first = verdict(Interval(difference, difference - below, difference + above), 0.4, images)
    if first.images_needed is None:
        return
    assert first.images_needed >= images
    assert f"{first.images_needed:,} images would" in first.words

    def narrowed(count: float) -> str:
        factor = math.sqrt(images / count)
        return verdict(Interval(difference, difference - factor * below, difference + factor * above), 0.4, images).name

    assert narrowed(first.images_needed * 1.001) != "undecided"
    assert narrowed(first.images_needed / 1.2) == "undecided"


@pytest.mark.parametrize("beside", [0.0, 1e-6])
def test_at_the_limit_no_number_of_images_decides(beside: float) -> None:
    difference = -(1 - 0.99) * 0.3 + beside

    result = verdict(Interval(difference, -0.01, 0.01), 0.3, 500)

    assert (result.name, result.images_needed) == ("undecided", None)
    assert "even a million would not" in result.words


@pytest.mark.parametrize(("interval", "reference_ap"), [(None, math.nan), (Interval(0.0, 0.0, 0.0), 0.0)])
def test_a_reference_that_finds_nothing_decides_nothing(interval: Interval | None, reference_ap: float) -> None:
    assert verdict(interval, reference_ap, 500).name == "undecided"


def test_the_comparison_is_json_and_knows_no_interval_where_nothing_is_to_be_found() -> None:
    truth = invented_truth(2, 1, [Annotation(n, n, 1, (0, 0, 20, 20), 400, False) for n in (1, 2)])
    cell = drawn_from(truth, [Detection(n, 1, (0, 0, 20, 20), 0.9) for n in (1, 2)], 20)

    document = json.loads(json.dumps(asdict(compare(cell, cell)), allow_nan=False))

    assert document["intervals"]["APlarge"] is None
    assert document["intervals"]["APsmall"] == {"difference": 0.0, "low": 0.0, "high": 0.0}
    assert document["verdict"]["name"] == "kept"
