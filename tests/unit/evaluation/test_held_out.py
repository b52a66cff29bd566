"""AP on held-out and on seen images: pycocotools' on each part, and an interval of the gap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conftest import ROOT
from ssdbench.catalog.dataset_tag import read_ids
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import Detections, write_detections
from ssdbench.evaluation.evaluate import evaluate
from ssdbench.evaluation.held_out import evaluate_parts
from support.real_detections import real_detections, real_truth

MINIVAL = ROOT / "workflow/resources/mscoco_minival_ids.txt"


def held_out() -> list[int]:
    return read_ids(MINIVAL.read_text(), str(MINIVAL))


def test_each_part_has_the_ap_that_pycocotools_gives_for_its_images(coco_sample, tmp_path: Path) -> None:
    truth, found = read_annotations(coco_sample.annotations), Detections.of(real_detections("tensorflow/fp32"))
    parts = evaluate_parts(truth, found, truth.images, held_out(), 50, 0)
    ids = {"held_out": [], "seen": []}
    for image in truth.images:
        ids["held_out" if image.id in set(held_out()) else "seen"].append(image.id)
    assert (parts["held_out"]["images"], parts["seen"]["images"]) == (31, 99)
    for name, own in ids.items():
        write_detections(tmp_path / "d.json", [row for row in found if row.image_id in own])
        metrics = evaluate(coco_sample.annotations, tmp_path / "d.json", own)["metrics"]
        assert {key: parts[name][key] for key in ("AP", "AP50", "APlarge")} == pytest.approx(
            {key: metrics[key] for key in ("AP", "AP50", "APlarge")}, abs=1e-6
        )
    gap = parts["gap"]
    assert gap["difference"] == pytest.approx(parts["seen"]["AP"] - parts["held_out"]["AP"])
    assert gap["low"] < gap["difference"] < gap["high"]


def test_a_part_without_images_is_none_and_there_is_no_gap() -> None:
    truth, found = real_truth(), Detections.of(real_detections("tensorflow/fp32"))
    images = [replace(image, file_name=f"{image.id:012d}.jpg") for image in truth.images]
    parts = evaluate_parts(truth, found, images, [], 5, 0)
    assert parts["held_out"] is None and parts["gap"] is None
    assert parts["seen"]["images"] == len(images)


def test_images_that_do_not_go_by_coco_names_are_not_split() -> None:
    truth, found = real_truth(), Detections.of(real_detections("tensorflow/fp32"))
    assert set(evaluate_parts(truth, found, truth.images, held_out(), 5, 0).values()) == {None}
