from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from ssdbench.boxes.decoding import Found
from ssdbench.coco.detections import Detection, write_detections
from ssdbench.diagnosis.usual_causes import (
    Change,
    Diagnosis,
    FoundByImage,
    Stored,
    cut_off,
    gap_to_detections,
    gap_to_expected,
    try_causes,
    usual_causes,
)
from ssdbench.evaluation.evaluate import evaluate
from ssdbench.images.pixels import resize_image
from ssdbench.inference.detect import rows_of

pytestmark = pytest.mark.slow

WIDTH, HEIGHT, SIDE, IMAGES = 400, 300, 100, 5
SIZES = dict.fromkeys(range(1, IMAGES + 1), (WIDTH, HEIGHT))
RED, GREEN, BLUE = 1, 2, 3


def stored(image_id: int) -> Stored:
    """A photograph of 24 red, green and blue blocks of all shades, with a tag that says it lies on its side."""
    random = np.random.default_rng(image_id)
    pixels = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for place in range(24):
        top, left = divmod(place, 6)
        height, width = random.integers(24, 60, 2)
        y, x = 75 * top + 6, 66 * left + 4
        pixels[y : y + height, x : x + min(width, 56), random.integers(3)] = random.integers(110, 256)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    return Stored(file.getvalue(), np.ascontiguousarray(pixels[..., ::-1]), SIDE)


def detect(rgb: np.ndarray) -> Found:
    """A detector of coloured blocks: class by colour, score by shade; black and grey are background."""
    colours = rgb.astype(int)
    classes = np.where(colours.max(axis=2) - colours.min(axis=2) > 25, colours.argmax(axis=2) + 1, 0)
    rows = []
    for class_id in (RED, GREEN, BLUE):
        _, labels, statistics, _ = cv2.connectedComponentsWithStats((classes == class_id).astype(np.uint8))
        for label, (x, y, width, height, area) in enumerate(statistics):
            if label and area > 20:
                score = (colours[labels == label].max() - 100) / 156
                rows.append((class_id, score, (x * 4.0, y * 3.0, width * 4.0, height * 3.0)))
    rows.sort(key=lambda row: -row[1])
    return Found(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
    )


def run(change: Change | None, swapped: bool = False) -> dict[int, Found]:
    found = {}
    for image_id in SIZES:
        image = stored(image_id)
        pixels = image.bgr if change is None else change(image)
        found[image_id] = detect(resize_image(pixels, SIDE, "bgr" if swapped else "rgb"))
    return found


def of_pillow(change: Callable[[Image.Image], Image.Image]) -> Change:
    """A change made by Pillow, apart from the code under test."""
    return lambda image: np.asarray(change(Image.open(io.BytesIO(image.data))))[..., ::-1].copy()


def squared(image: Image.Image) -> Image.Image:
    square = Image.new("RGB", (WIDTH, WIDTH), (128, 128, 128))
    square.paste(image)
    return square


def kept(found: dict[int, Found], which: Callable[[Found], slice | np.ndarray]) -> dict[int, Found]:
    return {
        i: Found(one.class_ids[which(one)], one.scores[which(one)], one.boxes[which(one)]) for i, one in found.items()
    }


def moved(found: dict[int, Found], by: int) -> dict[int, Found]:
    return {i: Found(one.class_ids + by, one.scores, one.boxes) for i, one in found.items()}


def faulty(name: str) -> dict[int, Found]:
    """The detections of a cell with one of the usual faults."""
    return {
        "bgr": lambda: run(None, swapped=True),
        "class_ids_high": lambda: moved(run(None), 1),
        "class_ids_low": lambda: moved(run(None), -1),
        "threshold": lambda: kept(run(None), lambda one: one.scores > 0.3),
        "ten": lambda: kept(run(None), lambda one: slice(10)),
        "exif": lambda: run(of_pillow(ImageOps.exif_transpose)),
        "padded_boxes": lambda: run(of_pillow(squared)),
        "cropped": lambda: run(of_pillow(lambda image: image.crop((50, 0, 350, 300)))),
    }[name]()


def rounded(found: dict[int, Found]) -> dict[int, Found]:
    """As int8 gives them: scores in few steps, boxes a little off."""
    random = np.random.default_rng(0)
    return {
        i: Found(one.class_ids, np.round(one.scores, 1), one.boxes + random.normal(0, 1.5, one.boxes.shape))
        for i, one in found.items()
    }


def best(diagnosis: Diagnosis) -> tuple[str, float]:
    return diagnosis.trials[0].name, diagnosis.trials[0].explained


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bgr", "Looks like BGR"),
        ("class_ids_high", "Looks like class ids off by one"),
        ("class_ids_low", "Looks like class ids off by one"),
        ("threshold", "Looks like a score threshold of 0.3"),
        ("ten", "Looks like ten detections an image"),
        ("exif", "Looks like images rotated by their EXIF tag"),
        ("padded_boxes", "Looks like a resize that pads"),
        ("cropped", "Looks like a resize that crops"),
    ],
)
def test_each_fault_is_recognised_in_the_detections_of_a_cell(name: str, sentence: str) -> None:
    for observed in (faulty(name), rounded(faulty(name))):
        diagnosis = try_causes(run, SIZES, gap_to_detections(observed))

        assert diagnosis.causes == (name,)
        assert diagnosis.sentence.startswith(sentence)
        assert diagnosis.sentence.endswith("of the difference on 5 images.")
        assert [trial.gap for trial in diagnosis.trials] == sorted(trial.gap for trial in diagnosis.trials)
        json.dumps(asdict(diagnosis))


def test_weights_gone_wrong_are_no_usual_cause() -> None:
    random = np.random.default_rng(0)
    observed = {}
    for image_id, one in run(None).items():
        boxes = one.boxes + random.normal(0, 20, one.boxes.shape)
        class_ids = np.where(
            random.random(len(one.scores)) < 0.4, random.integers(1, 4, len(one.scores)), one.class_ids
        )
        observed[image_id] = Found(class_ids, one.scores, boxes)

    diagnosis = try_causes(run, SIZES, gap_to_detections(observed))

    assert diagnosis.gap > 0.2
    assert diagnosis.causes == ()
    assert diagnosis.sentence.startswith("No usual cause fits: none explains more than ")


def test_a_cell_that_agrees_needs_no_cause() -> None:
    diagnosis = try_causes(run, SIZES, gap_to_detections(rounded(run(None))))

    assert diagnosis == Diagnosis(
        (), "On these 5 images there is nothing to explain.", IMAGES, diagnosis.gap, trials=()
    )


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """The blocks as annotations: what the healthy detector finds at full size, but for some it should not."""
    rows = []
    for image_id in SIZES:
        found = detect(cv2.cvtColor(stored(image_id).bgr, cv2.COLOR_BGR2RGB))
        for class_id, (x, y, width, height) in zip(found.class_ids.tolist(), found.boxes.tolist(), strict=True):
            box = [x / 4, y / 3, width / 4, height / 3]
            rows.append({"image_id": image_id, "category_id": class_id, "bbox": box, "area": box[2] * box[3]})
    content = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in SIZES],
        "categories": [{"id": i, "name": name} for i, name in enumerate(("red", "green", "blue"), start=1)],
        "annotations": [{"id": n, "iscrowd": 0, **row} for n, row in enumerate(rows, start=1)],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return path


def metrics_by(annotations: Path, found: dict[int, Found]) -> dict[str, float | None]:
    path = annotations.with_name("detections.json")
    rows: list[Detection] = [row for image_id, one in found.items() for row in rows_of(image_id, one)]
    write_detections(path, rows)
    metrics: dict[str, float | None] = evaluate(annotations, path, list(SIZES))["metrics"]
    return metrics


def ap_by(annotations: Path) -> Callable[[FoundByImage], float]:
    def measure(found: FoundByImage) -> float:
        ap = metrics_by(annotations, dict(found))["AP"]
        assert ap is not None
        return ap

    return measure


@pytest.mark.parametrize("on_all", [0.5, 1, 2])
@pytest.mark.parametrize(
    ("cause", "observed"),
    [
        ("bgr", lambda change: run(change, swapped=True)),
        ("class_ids_low", lambda change: moved(run(change), 1)),
    ],
)
def test_the_cause_that_raises_ap_by_what_it_lacks_is_named(
    cause: str, observed: Callable[[Change | None], dict[int, Found]], on_all: float, annotations: Path
) -> None:
    """Also where the few images lose half or twice of what all of them do."""
    measure = ap_by(annotations)
    plain = measure(observed(None))
    shortfall = on_all * (measure(run(None)) - plain)

    diagnosis = try_causes(observed, SIZES, gap_to_expected(measure, plain, shortfall))

    assert diagnosis.causes == (cause,)
    assert diagnosis.gap == pytest.approx(shortfall)
    assert max(trial.explained for trial in diagnosis.trials) == pytest.approx(min(1, 1 / on_all))


@pytest.mark.parametrize("shortfall", [0.01, 0.05, 0.3])
def test_no_cause_is_named_where_none_raises_ap(shortfall: float, annotations: Path) -> None:
    measure = ap_by(annotations)

    diagnosis = try_causes(run, SIZES, gap_to_expected(measure, measure(run(None)), shortfall))

    assert diagnosis.causes == ()
    assert diagnosis.sentence == "No usual cause fits: none explains more than 0% on 5 images."


def test_a_rise_of_less_than_chance_gives_explains_nothing() -> None:
    aps = iter([0.3, *[0.309] * len(usual_causes())])

    diagnosis = try_causes(run, SIZES, gap_to_expected(lambda found: next(aps), 0.3, 0.012))

    assert diagnosis.trials[0].explained == pytest.approx(0.75)
    assert diagnosis.causes == ()


@pytest.mark.parametrize("name", ["threshold", "ten"])
def test_detections_show_where_they_were_cut_off(name: str) -> None:
    assert [cause.name for cause in cut_off(faulty(name))] == [name]
    assert cut_off(run(None)) == ()


def test_detections_that_are_few_for_another_reason_are_not_cut_off() -> None:
    assert cut_off({}) == ()
    assert cut_off({1: kept(run(None), lambda one: slice(0))[1]}) == ()
    assert cut_off(kept(run(None), lambda one: slice(9))) == ()


def test_causes_that_figures_cannot_tell_apart_are_all_named() -> None:
    """Any of two may restore the AP; which one does it for the right reason, that figure does not say."""
    aps = {"bgr": 0.3, "padded": 0.29, "threshold": 0.17}
    causes = tuple(cause for cause in usual_causes() if cause.name in aps)
    nothing = Found(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 4)))
    found = dict.fromkeys(SIZES, nothing)
    measured = iter([0.15, *(aps[cause.name] for cause in causes)])

    diagnosis = try_causes(
        lambda change: found,
        SIZES,
        gap_to_expected(lambda f: next(measured), 0.15, 0.15),
        causes,
    )

    assert diagnosis.causes == ("bgr", "padded")
    assert diagnosis.sentence == (
        "Looks like one of these, which cannot be told apart on 5 images: BGR: red and blue are swapped; "
        "a resize that keeps the aspect ratio by padding."
    )


def test_boxes_of_a_padded_image_are_brought_back_onto_it() -> None:
    (cause,) = (cause for cause in usual_causes() if cause.name == "padded")
    assert cause.found
    brought_back = {i: cause.found(one, SIZES[i]) for i, one in run(cause.pixels).items()}

    assert gap_to_detections(run(None)).of(run(cause.pixels)) > 0.3
    assert gap_to_detections(run(None)).of(brought_back) < 0.03


def test_the_nearest_pixel_is_one_of_the_image_and_resizing_twice_goes_through_640() -> None:
    changes = {cause.name: cause.pixels for cause in usual_causes()}
    image = stored(1)
    nearest, twice = changes["nearest"], changes["twice"]
    assert nearest and twice

    assert nearest(image).shape == (SIDE, SIDE, 3)
    colours = {tuple(pixel) for pixel in image.bgr.reshape(-1, 3).tolist()}
    assert {tuple(pixel) for pixel in nearest(image).reshape(-1, 3).tolist()} <= colours
    assert twice(image).shape == (640, 640, 3)


def test_causes_that_change_pixels_alike_share_a_run() -> None:
    calls: list[Change | None] = []

    def counted(change: Change | None) -> dict[int, Found]:
        calls.append(change)
        return run(change)

    try_causes(counted, SIZES, gap_to_detections(faulty("bgr")))

    assert len(calls) == len(set(calls)) == 1 + len({cause.pixels for cause in usual_causes()} - {None})
