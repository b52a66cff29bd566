from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.categories import Category
from ssdbench.coco.detections import Detection, Detections, read_detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.objects import Annotation, Objects
from ssdbench.evaluation.tide import ERRORS, TideErrors, tide_errors
from support import tidecv_figures
from support.real_detections import CELLS, figures_of_tidecv, real_detections, real_truth

Box = tuple[float, float, float, float]
CAT, DOG = 1, 2
HERE: Box = (100, 100, 100, 100)


def truth_of(*rows: tuple[int, int, Box], crowds: Sequence[tuple[int, int, Box]] = ()) -> Annotations:
    """Truths (image, category, box) in the images 1, 2 and 3."""
    objects = [(row, False) for row in rows] + [(row, True) for row in crowds]
    return Annotations(
        (Category(CAT, "cat"), Category(DOG, "dog")),
        tuple(ImageRecord(identity, f"{identity}.jpg", 640, 480, "") for identity in (1, 2, 3)),
        Objects.of(
            Annotation(number, image, category, box, box[2] * box[3], crowd)
            for number, ((image, category, box), crowd) in enumerate(objects, start=1)
        ),
        (),
    )


def only(kind: str, number: int = 1) -> dict[str, int]:
    return dict.fromkeys(ERRORS, 0) | {kind: number}


def assert_equal(ours: TideErrors, theirs: dict[str, dict[str, float]]) -> None:
    assert ours.ap50 == pytest.approx(theirs["ap50"], abs=1e-12)
    assert ours.cost == pytest.approx(theirs["cost"], abs=1e-12)
    assert ours.counts == theirs["counts"]


@pytest.mark.parametrize("cell", CELLS)
def test_it_equals_tidecv_on_real_detections(cell: str) -> None:
    truth = real_truth()

    errors = tide_errors(truth, Detections.of(real_detections(cell)), [image.id for image in truth.images])

    assert_equal(errors, figures_of_tidecv(cell))
    assert min(errors.counts.values()) > 10  # all six kinds are there


@pytest.mark.parametrize(
    ("detection", "counts"),
    [
        (Detection(1, CAT, HERE, 0.9), only("missed", 0)),
        (Detection(1, DOG, HERE, 0.9), only("classification")),
        (Detection(1, CAT, (140, 100, 100, 100), 0.9), only("localisation")),
        (Detection(1, DOG, (140, 100, 100, 100), 0.9), only("both") | {"missed": 1}),
        (Detection(1, CAT, (400, 300, 50, 50), 0.9), only("background") | {"missed": 1}),
        (Detection(2, CAT, HERE, 0.9), only("background") | {"missed": 1}),
    ],
)
def test_each_error_is_what_the_paper_calls_it(detection: Detection, counts: dict[str, int]) -> None:
    errors = tide_errors(truth_of((1, CAT, HERE)), Detections.of([detection]), [1, 2])

    assert errors.counts == counts


def test_putting_the_only_error_right_gives_all_of_ap() -> None:
    errors = tide_errors(truth_of((1, CAT, HERE)), Detections.of([Detection(1, CAT, (140, 100, 100, 100), 0.9)]), [1])

    assert errors.ap50 == 0
    assert errors.cost == pytest.approx(dict.fromkeys(ERRORS, 0.0) | {"localisation": 1.0})


def test_a_second_box_on_an_object_is_a_duplicate_and_boxes_in_a_crowd_cost_nothing() -> None:
    crowd = (300.0, 100.0, 200.0, 200.0)
    rows = [
        Detection(1, CAT, HERE, 0.5),
        Detection(1, CAT, (102, 100, 100, 100), 0.4),
        Detection(1, CAT, (310, 110, 50, 50), 0.9),  # would cost AP, were it not in the crowd
    ]

    errors = tide_errors(truth_of((1, CAT, HERE), crowds=[(1, CAT, crowd)]), Detections.of(rows), [1])

    assert errors.ap50 == pytest.approx(1.0)
    assert (errors.counts["duplicate"], errors.counts["background"]) == (1, 1)
    assert errors.cost == dict.fromkeys(ERRORS, 0.0)


def test_a_hundred_detections_of_an_image_count_and_other_images_do_not() -> None:
    crowd_out = [Detection(1, DOG, (400, 300, 50, 50), 0.9)] * 100
    rows = [*crowd_out, Detection(1, CAT, HERE, 0.1), Detection(3, CAT, HERE, 0.9)]

    errors = tide_errors(truth_of((1, CAT, HERE), (3, CAT, HERE)), Detections.of(rows), [1, 2])

    assert errors.counts == only("background", 100) | {"missed": 1}


def test_equal_scores_in_their_order_leave_the_cost_of_an_error_whole() -> None:
    # The false one comes after the right one of the same score, as in int8, where scores are few.
    rows = [Detection(1, CAT, HERE, 0.5), Detection(2, CAT, HERE, 0.5), Detection(3, CAT, HERE, 0.5)]
    truth = truth_of((1, CAT, HERE), (3, CAT, HERE), (3, DOG, HERE))

    errors = tide_errors(truth, Detections.of(rows), [1, 2, 3])
    apart = [Detection(row.image_id, CAT, HERE, 0.5 - row.image_id / 100) for row in rows]

    assert errors.cost_in_order == pytest.approx(tide_errors(truth, Detections.of(apart), [1, 2, 3]).cost)
    assert errors.cost["missed"] < errors.cost_in_order["missed"]


def test_no_detection_at_all_is_only_misses() -> None:
    errors = tide_errors(truth_of((1, CAT, HERE), (2, DOG, HERE)), Detections.of([]), [1, 2, 3])

    assert (errors.ap50, errors.counts) == (0, only("missed", 2))


@pytest.fixture(scope="module")
def tidecv_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment of its own that has tidecv: it would replace the project's cv2."""
    folder = tmp_path_factory.mktemp("tidecv")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", "tidecv==1.0.1"], check=True)
    return folder / "bin/python"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_it_equals_a_live_tidecv_on_any_detections(seed: int, tidecv_python: Path, tmp_path: Path) -> None:
    python = str(tidecv_python)
    random = np.random.default_rng(seed)
    annotations, detections = tmp_path / "instances.json", tmp_path / "detections.json"

    def box() -> list[float]:
        return [*random.integers(0, 8, 2) * 10.0, *random.integers(1, 6, 2) * 10.0]

    truths = [
        {"id": n, "image_id": int(random.integers(1, 9)), "category_id": int(random.integers(1, 4)), "bbox": box(),
         "iscrowd": int(random.random() < 0.15), "area": 1.0}
        for n in range(1, 40)
    ]  # fmt: skip
    found = [
        {"image_id": int(random.integers(1, 10)), "category_id": int(random.integers(1, 6)), "bbox": box(),
         "score": float(np.float32(random.integers(1, 20) / 20))}
        for _ in range(300)
    ]  # fmt: skip
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 200, "height": 200} for n in (3, 1, 2, *range(4, 10))]
    categories = [{"id": n, "name": str(n)} for n in range(1, 5)]
    annotations.write_text(json.dumps({"images": images, "annotations": truths, "categories": categories}))
    detections.write_text(json.dumps(found))
    command = [python, tidecv_figures.__file__, str(annotations), str(detections)]
    theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    ours = tide_errors(read_annotations(annotations), read_detections(detections), range(1, 10))

    assert_equal(ours, theirs)
