"""When a cell needs explaining, and what is said of it; with made-up values."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ssdbench.boxes.decoding import Found
from ssdbench.boxes.outputs import Finished
from ssdbench.catalog.protocols import protocol
from ssdbench.coco.annotations import Annotation
from ssdbench.coco.image_list import ImageRecord
from ssdbench.diagnosis.explain import (
    ExpectedAP,
    Explanation,
    against_expected,
    departs,
    explain_departure,
    explain_high,
    explain_low,
    images_to_try,
    run_changed,
)
from ssdbench.diagnosis.usual_causes import usual_causes
from support.detections import invented_truth

IMAGES = 6
SIZES = dict.fromkeys(range(1, IMAGES + 1), (640, 480))
ROW = {"AP": 0.3, "tolerance": 0.01, "source": "someone", "part": "all"}
# A true object in three places of every image, each of its class.
TRUTH = invented_truth(
    IMAGES, 9,
    [Annotation(10 * image + place, image, place, (100.0 * place, 50, 60, 60), 3600, False)
     for image in SIZES for place in (1, 2, 3)],
)  # fmt: skip


def found(image_id: int, shift: int = 0) -> Found:
    """The objects and, scored less, twelve boxes where there are none."""
    class_ids = np.array([1, 2, 3, *[9] * 12]) + shift
    boxes = [[100.0 * place, 50, 60, 60] for place in (1, 2, 3)] + [[40.0 * n, 300, 30, 30] for n in range(12)]
    return Found(class_ids, np.linspace(0.9, 0.1, 15).astype(np.float32), np.array(boxes, np.float64))


def run(change: object) -> dict[int, Found]:
    """A cell whose pixels may be changed as one likes."""
    return {image_id: found(image_id) for image_id in SIZES}


def shifted(change: object) -> dict[int, Found]:
    return {image_id: found(image_id, 1) for image_id in SIZES}


def cut(where: Any) -> dict[int, Found]:
    return {i: Found(one.class_ids[where], one.scores[where], one.boxes[where]) for i, one in run(None).items()}


def expected(ours: float, ap: float = 0.3, part: str = "all") -> ExpectedAP:
    return ExpectedAP(ap, 0.01, "someone", part, ours, abs(ours - ap) > 0.01)


@pytest.mark.parametrize(
    ("parity", "departed"),
    [
        (None, False),
        ({"status": "failed", "reason": "the reference failed"}, False),
        ({"status": "ok", "first_departure": None}, False),
        ({"status": "ok", "first_departure": "boxes"}, True),
    ],
)
def test_a_cell_departs_where_its_ladder_says_so(parity: dict[str, Any] | None, departed: bool) -> None:
    assert departs(parity) is departed


@pytest.mark.parametrize(("ours", "outside"), [(0.291, False), (0.309, False), (0.28, True), (0.32, True)])
def test_an_ap_within_the_tolerance_is_as_expected(ours: float, outside: bool) -> None:
    compared = against_expected(ROW, {"metrics": {"AP": ours}}, None)

    assert compared == ExpectedAP(0.3, 0.01, "someone", "all", ours, outside)


def test_an_ap_expected_of_held_out_images_is_compared_with_theirs() -> None:
    row = {**ROW, "part": "held_out"}
    metrics, parts = {"metrics": {"AP": 0.35}}, {"held_out": {"images": 996, "AP": 0.3}}

    compared = against_expected(row, metrics, parts)

    assert compared is not None and compared.ours == 0.3 and not compared.is_outside
    assert against_expected(row, metrics, None) is None
    assert against_expected(row, metrics, {"held_out": None}) is None


def test_nothing_is_compared_where_nothing_is_expected_or_measured() -> None:
    assert against_expected(None, {"metrics": {"AP": 0.3}}, None) is None
    assert against_expected(ROW, None, None) is None
    assert against_expected(ROW, {"status": "failed", "reason": "no"}, None) is None
    assert against_expected(ROW, {"metrics": {"AP": None}}, None) is None


def test_a_departure_is_explained_by_the_cause_that_makes_the_reference_alike() -> None:
    explanation = explain_departure(run, SIZES, shifted(None))

    assert explanation.asked == "reference"
    assert explanation.causes == ("class_ids_high",)
    assert explanation.sentence == (
        "Looks like class ids off by one. That explains 100% of the difference on 6 images."
    )
    assert (explanation.images, explanation.gap) == (6, 1)
    assert [trial.name for trial in explanation.trials][:1] == ["class_ids_high"]
    assert len(explanation.trials) == len(usual_causes())
    assert json.loads(json.dumps(asdict(explanation)))["asked"] == "reference"


def test_no_usual_cause_is_a_full_answer() -> None:
    elsewhere = {i: Found(one.class_ids, one.scores, one.boxes + 200) for i, one in run(None).items()}

    explanation = explain_departure(run, SIZES, elsewhere)

    assert (explanation.asked, explanation.causes) == ("reference", ())
    assert explanation.sentence == "No usual cause fits: none explains more than 0% on 6 images."


def test_detections_that_hardly_differ_are_not_explained() -> None:
    assert explain_departure(run, SIZES, run(None)) == Explanation()


def test_an_ap_too_high_looks_like_seen_images_where_the_held_out_ones_are_as_expected() -> None:
    explanation = explain_high(expected(0.34), {"held_out": {"images": 996, "AP": 0.306}})

    assert explanation.causes == ("seen",)
    assert explanation.sentence == (
        "AP is 0.0400 above the expected 0.3. Looks like seen images: the checkpoint was trained on part of these "
        "images; on the 996 held-out images AP is 0.3060."
    )
    assert explanation.images == 996
    assert explanation.trials[0].explained == pytest.approx(0.85)


@pytest.mark.parametrize(("held_out", "causes"), [(0.319, ("seen",)), (0.321, ()), (0.36, ())])
def test_held_out_images_have_to_close_half_of_a_surplus(held_out: float, causes: tuple[str, ...]) -> None:
    explanation = explain_high(expected(0.34), {"held_out": {"images": 996, "AP": held_out}})

    assert explanation.causes == causes
    assert ("Seen images do not explain it" in explanation.sentence) == (not causes)


@pytest.mark.parametrize("parts", [None, {"held_out": None}, {"status": "failed"}])
def test_an_ap_too_high_without_held_out_images_can_only_be_one_of_two_things(parts: dict[str, Any] | None) -> None:
    explanation = explain_high(expected(0.34), parts)

    assert (explanation.asked, explanation.causes, explanation.trials) == ("expected", (), ())
    assert explanation.sentence == (
        "AP is 0.0400 above the expected 0.3. Only a checkpoint that has seen these images, or another ground truth, "
        "can cause that."
    )


def test_seen_images_do_not_explain_an_ap_of_held_out_ones() -> None:
    explanation = explain_high(expected(0.34, part="held_out"), {"held_out": {"images": 996, "AP": 0.34}})

    assert explanation.causes == ()


def test_an_ap_too_low_is_explained_by_what_raises_it() -> None:
    explanation = explain_low(shifted, SIZES, TRUTH, expected(0.002), shifted(None), protocol("heads"))

    assert (explanation.asked, explanation.causes) == ("expected", ("class_ids_low",))
    assert explanation.sentence == (
        "AP is 0.2980 below the expected 0.3. Looks like class ids off by one. "
        "That explains 100% of the difference on 6 images."
    )


def test_an_ap_too_low_for_no_usual_cause_says_so() -> None:
    explanation = explain_low(run, SIZES, TRUTH, expected(0.25), run(None), protocol("heads"))

    assert explanation.causes == ()
    assert explanation.sentence == (
        "AP is 0.0500 below the expected 0.3. No usual cause fits: none explains more than 0% on 6 images."
    )


@pytest.mark.parametrize(
    ("observed", "name", "words"),
    [
        (cut(slice(10)), "ten", "ten detections an image"),
        ({**cut(slice(11)), 1: found(1)}, "threshold", "a score threshold of 0.3"),
    ],
)
def test_detections_that_end_at_a_threshold_or_at_ten_tell_it_themselves(
    observed: dict[int, Found], name: str, words: str
) -> None:
    explanation = explain_low(lambda change: observed, SIZES, TRUTH, expected(0.27), observed, protocol("heads"))

    assert explanation.causes == (name,)
    assert explanation.sentence == f"AP is 0.0300 below the expected 0.3. Looks like {words}: the detections end there."


def test_what_a_protocol_does_on_purpose_is_said_to_be() -> None:
    observed = cut(slice(10))

    explanation = explain_low(lambda change: observed, SIZES, TRUTH, expected(0.27), observed, protocol("graph"))

    assert explanation.sentence.endswith(
        "ten detections an image: the detections end there. That belongs to this protocol."
    )


def test_so_small_a_shortfall_is_not_looked_into() -> None:
    def never(change: object) -> dict[int, Found]:
        raise AssertionError("it was run")

    explanation = explain_low(never, SIZES, TRUTH, expected(0.2931, ap=0.3), run(None), protocol("heads"))

    assert (explanation.asked, explanation.causes, explanation.trials) == ("expected", (), ())
    assert explanation.sentence.endswith("The shortfall is too small to diagnose on 6 images.")


def records(count: int) -> list[ImageRecord]:
    return [ImageRecord(number, f"{number}.png", 640, 480, "") for number in range(1, count + 1)]


def test_images_are_spread_over_the_list_with_some_of_the_worst() -> None:
    ids = [record.id for record in images_to_try(records(1000), 24, first=range(500, 524))]

    assert ids[:8] == list(range(500, 508))
    assert len(set(ids)) == 24
    assert (ids[8], ids[-1]) == (1, 1000)
    assert max(np.diff(ids[8:])) < 80


@pytest.mark.parametrize("count", [1, 5, 24, 25])
def test_few_images_are_all_tried(count: int) -> None:
    assert len({record.id for record in images_to_try(records(count), 24, first=[1, 99])}) == min(count, 24)


class Pixels:
    """A session that finds one box whose score is the mean red of what it is fed, and counts its calls."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, pixels: np.ndarray) -> Finished:
        self.shapes.append(pixels.shape)
        score = np.full((1, 1), pixels[..., 0].mean() / 255, np.float32)
        return Finished(np.array([[[0, 0, 1, 1]]], np.float32), np.ones((1, 1), np.int64), score, np.array([1]))


def test_each_change_is_run_once_on_each_image(tmp_path: Path) -> None:
    for record in records(2):
        pixels = np.full((480, 640, 3), (0, 0, 51 * record.id), np.uint8)  # red, as OpenCV has it
        cv2.imwrite(str(tmp_path / record.file_name), pixels)
    session: Any = Pixels()
    causes = {cause.name: cause for cause in usual_causes()}

    run = run_changed(session, tmp_path, records(2), 100, "rgb", None, list(causes.values()))

    def scores(name: str) -> list[float]:
        return [float(run(causes[name].pixels)[image_id].scores[0]) for image_id in (1, 2)]

    changes = {cause.pixels for cause in causes.values()}
    assert session.shapes == [(1, 100, 100, 3)] * (2 * len(changes))
    assert scores("class_ids_high") == pytest.approx([0.2, 0.4])  # changes no pixels
    assert scores("bgr") == pytest.approx([0, 0])
    assert scores("padded") == pytest.approx([0.75 * 0.2 + 0.25 * 128 / 255, 0.75 * 0.4 + 0.25 * 128 / 255], abs=1e-3)
    assert run(None)[1].boxes.tolist() == [[0, 0, 640, 480]]
