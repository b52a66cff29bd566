from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.detections import Detection, Detections, write_detections
from ssdbench.coco.metric_names import METRICS
from ssdbench.coco.objects import Annotation
from ssdbench.errors import UserError
from ssdbench.evaluation.coco_metrics import coco_metrics
from ssdbench.evaluation.evaluate import evaluate
from support.detections import invented_truth, pycocotools_evaluation, small_cases

CLASS_METRICS = {"AP": 0, "AP50": 1, "APsmall": 3, "APmedium": 4, "APlarge": 5}


def annotations_file(folder: Path, first_id: int = 1) -> Path:
    """Three images: a large cat in the first, a person and a crowd in the second, nothing in the third."""
    rows = [(1, 17, [10, 10, 200, 100], 0), (2, 1, [0, 0, 100, 300], 0), (2, 1, [200, 200, 200, 200], 1)]
    path = folder / "instances.json"
    document = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 500, "height": 500} for i in (1, 2, 3)],
        "categories": [{"id": 1, "name": "person"}, {"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {
                "id": first_id + n, "image_id": image, "category_id": category, "bbox": box, "iscrowd": crowd,
                "area": box[2] * box[3],
            }
            for n, (image, category, box, crowd) in enumerate(rows)
        ],
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


PERFECT = [Detection(1, 17, (10, 10, 200, 100), 0.9), Detection(2, 1, (0, 0, 100, 300), 0.8)]


def detections_file(folder: Path, rows: Sequence[Detection]) -> Path:
    write_detections(folder / "detections.json", rows)
    return folder / "detections.json"


def test_perfect_detections_score_one_and_what_does_not_exist_scores_nothing(tmp_path: Path) -> None:
    result = evaluate(annotations_file(tmp_path), detections_file(tmp_path, PERFECT), [1, 2, 3])

    assert tuple(result["metrics"]) == METRICS
    assert {name: value for name, value in result["metrics"].items() if value is not None} == pytest.approx(
        dict.fromkeys(("AP", "AP50", "AP75", "APlarge", "AR1", "AR10", "AR100", "ARlarge"), 1.0)
    )
    assert [(entry["name"], entry["truths"], entry["AP"]) for entry in result["per_class"]] == [
        ("person", 1, pytest.approx(1.0)),
        ("cat", 1, pytest.approx(1.0)),
        ("dog", 0, None),
    ]
    assert (result["images"], result["detections"], result["notes"]) == (3, 2, [])


def test_no_detection_is_an_ap_of_zero_with_a_note(tmp_path: Path) -> None:
    result = evaluate(annotations_file(tmp_path), detections_file(tmp_path, []), [1, 2, 3])

    assert result["metrics"]["AP"] == 0
    assert result["metrics"]["APsmall"] is None
    assert [entry["AP"] for entry in result["per_class"]] == [0, 0, None]
    assert result["notes"] == ["There are no detections, so every metric is 0."]


def test_only_the_listed_images_count(tmp_path: Path) -> None:
    result = evaluate(annotations_file(tmp_path), detections_file(tmp_path, PERFECT[:1]), [1, 3])

    assert result["metrics"]["AP"] == pytest.approx(1.0)
    assert [entry["truths"] for entry in result["per_class"]] == [0, 1, 0]
    assert result["images"] == 2


def test_an_object_with_the_id_zero_can_be_found(tmp_path: Path) -> None:
    annotations = annotations_file(tmp_path, first_id=0)

    assert evaluate(annotations, detections_file(tmp_path, PERFECT), [1, 2])["metrics"]["AP"] == pytest.approx(1.0)


def test_detections_of_unknown_categories_are_noted(tmp_path: Path) -> None:
    rows = [*PERFECT, Detection(1, 12, (0, 0, 5, 5), 0.99), Detection(2, 83, (0, 0, 5, 5), 0.99)]

    result = evaluate(annotations_file(tmp_path), detections_file(tmp_path, rows), [1, 2])

    assert result["metrics"]["AP"] == pytest.approx(1.0)
    assert result["notes"] == [
        "2 of 4 detections do not count, because the annotations do not have their categories: 12, 83."
    ]


@pytest.mark.parametrize(("kept", "is_noted"), [(10, True), (99, True), (100, False), (2, False)])
def test_a_model_that_keeps_fewer_detections_than_count_is_noted(kept: int, is_noted: bool, tmp_path: Path) -> None:
    ids = list(range(1, 11))
    document = {
        "images": [{"id": number, "file_name": f"{number}.jpg", "width": 100, "height": 100} for number in ids],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50]}],
    }
    (tmp_path / "truth.json").write_text(json.dumps(document))
    # One image has fewer: that nothing else was found there is no reason to call it a limit.
    counts = {number: kept if number > 1 else 1 for number in ids}
    rows = [
        Detection(number, 1, (i % 50, i % 40, 20, 20), 0.9 - i / 1000)
        for number, count in counts.items()
        for i in range(count)
    ]
    notes = evaluate(tmp_path / "truth.json", detections_file(tmp_path, rows), ids)["notes"]
    said = [note for note in notes if note.startswith(f"No image has more than {kept} detections, and 9 of 10 images")]
    assert len(said) == is_noted


def test_files_of_other_images_are_refused(tmp_path: Path) -> None:
    annotations, detections = annotations_file(tmp_path), detections_file(tmp_path, PERFECT)

    with pytest.raises(UserError, match=r"detections\.json has detections in image 2, which is not"):
        evaluate(annotations, detections, [1])
    with pytest.raises(UserError, match=r"instances\.json does not have the image 4"):
        evaluate(annotations, detections, [1, 2, 4])


def blurred_truth(annotations: Path, seed: int) -> list[Detection]:
    """Detections as a mediocre detector gives them: displaced boxes, wrong classes, misses and inventions."""
    random = np.random.default_rng(seed)
    truth = read_annotations(annotations)
    classes = [category.id for category in truth.categories]
    rows = []
    for annotation in truth.annotations:
        for _ in range(random.integers(0, 4)):
            scale = np.array([*annotation.bbox[2:], *annotation.bbox[2:]])
            box = np.array(annotation.bbox) + scale * random.normal(0, 0.12, 4)
            category = annotation.category_id if random.random() < 0.85 else int(random.choice(classes))
            x, y, width, height = box.tolist()
            score = float(np.float32(random.beta(2, 3)))
            rows.append(Detection(annotation.image_id, category, (x, y, abs(width), abs(height)), score))
    return rows


def plain_pycocotools(annotations: Path, rows: Sequence[Detection], categories: Sequence[int] = ()) -> list[float]:
    """COCOeval.stats on the file itself and unrounded rows, as pycocotools' own demonstration does it."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        found = [
            {"image_id": r.image_id, "category_id": r.category_id, "bbox": list(r.bbox), "score": r.score} for r in rows
        ]
        evaluator = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluator.params.catIds = list(categories) or evaluator.params.catIds
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(value) for value in evaluator.stats]


def test_it_equals_plain_pycocotools_on_real_annotations(
    coco_sample: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = blurred_truth(coco_sample.annotations, seed=1)
    ids = [image.id for image in read_annotations(coco_sample.annotations).images]

    result = evaluate(coco_sample.annotations, detections_file(tmp_path, rows), ids)

    assert capsys.readouterr().out == ""
    # Rounding the coordinates for the file moves no metric.
    assert list(result["metrics"].values()) == pytest.approx(plain_pycocotools(coco_sample.annotations, rows), abs=1e-6)
    assert result["metrics"]["AP"] > 0.1
    for entry in result["per_class"][:12]:
        plain = plain_pycocotools(coco_sample.annotations, rows, [entry["category_id"]])
        for name, index in CLASS_METRICS.items():
            expected = None if plain[index] < 0 else pytest.approx(plain[index], abs=1e-6)
            assert entry[name] == expected, (entry["name"], name)


def assert_same(truth: Annotations, found: Sequence[Detection], image_ids: Sequence[int]) -> None:
    """The twelve metrics and those of each class are pycocotools', to 1e-9."""
    measured = coco_metrics(truth, Detections.of(found), image_ids)
    evaluator = pycocotools_evaluation(truth, found, image_ids)
    assert list(measured.metrics.values()) == pytest.approx(known(evaluator.stats), abs=1e-9)
    for entry in measured.per_class:
        of_class = evaluator.eval["precision"][:, :, evaluator.params.catIds.index(entry["category_id"]), :, -1]
        tables = [of_class[..., 0], of_class[:1, :, 0], *(of_class[..., size] for size in (1, 2, 3))]
        expected = known([table.mean() for table in tables])
        assert [entry[name] for name in CLASS_METRICS] == pytest.approx(expected, abs=1e-9)


def known(values: Sequence[float]) -> list[float | None]:
    return [None if value < 0 else float(value) for value in values]


@settings(max_examples=200, deadline=None)
@given(small_cases())
def test_it_equals_pycocotools_on_any_boxes(case: tuple[Annotations, list[Detection]]) -> None:
    truth, found = case
    assert_same(truth, found, [1, 2, 3])
    assert_same(truth, found, [3, 1])


def test_many_images_given_in_any_order_are_ranked_by_their_ids() -> None:
    """Equal scores everywhere."""
    objects = [Annotation(n, n, 1 + n % 3, (0, 0, 20 + n, 50), (20 + n) * 50, n % 50 == 0) for n in range(1, 251)]
    truth = invented_truth(250, 3, objects)
    boxes = np.random.default_rng(0).integers(0, 40, (2000, 4)).tolist()
    found = [
        Detection(1 + (7 * n) % 250, 1 + n % 3, (x / 4, y / 4, 20 + w + n % 250, 50 + h / 4), (n % 4) / 4)
        for n, (x, y, w, h) in enumerate(boxes)
    ]
    assert_same(truth, found, range(250, 0, -1))


def test_more_than_a_hundred_detections_of_a_class_in_an_image() -> None:
    truth = invented_truth(1, 2, [Annotation(1, 1, 1, (0, 0, 50, 50), 2500, False)])
    assert_same(truth, [Detection(1, 1 + n % 2, (0, 0, 50, 50 - n % 9), 0.001 * n) for n in range(240)], [1])


def test_there_is_nothing_to_measure_without_images_or_categories() -> None:
    nothing = dict.fromkeys(METRICS)
    assert coco_metrics(invented_truth(2, 1, []), Detections.of([]), []).metrics == nothing
    empty = coco_metrics(invented_truth(1, 0, []), Detections.of([Detection(1, 1, (0, 0, 1, 1), 0.5)]), [1])
    assert (empty.metrics, empty.per_class) == (nothing, [])
