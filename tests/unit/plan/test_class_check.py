"""Before the first job, the classes of models are held against the user's own annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from ssdbench.errors import UserError
from ssdbench.files.reading import read_yaml
from ssdbench.plan.class_check import check_local_classes
from ssdbench.plan.config import merge
from ssdbench.plan.load import load_plan

GIVEN = {
    "title": "mine",
    "source": {"kind": "local", "path": "mine.onnx"},
    "format": "onnx",
    "licence": "none",
    "trained_on": "nothing",
    "input_size": 300,
    "given": ["heads", "fp32"],
}


def check(folder: Path, categories: dict[int, str], dataset: str = "local", **row: Any) -> None:
    """Look at annotations with one object of each category, for the shipped model and, with `row`, for one more."""
    image = {"id": 1, "file_name": "1.jpg", "width": 64, "height": 48}
    boxes = [
        {"id": number, "image_id": 1, "category_id": number, "bbox": [1, 1, 9, 9], "area": 60, "iscrowd": 0}
        for number in categories
    ]
    named = [{"id": number, "name": name} for number, name in categories.items()]
    (folder / "instances.json").write_text(json.dumps({"images": [image], "annotations": boxes, "categories": named}))
    (folder / "mine.onnx").touch()
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": {"mine": {**GIVEN, **row}}}))
    overlay = {
        "dataset": dataset,
        "models": ["mine"] if row else ["ssdlite_mobilenet_v2"],
        "registries": [str(folder / "models.yaml")],
        "local": {"images": str(folder), "annotations": str(folder / "instances.json")},
    }
    check_local_classes(load_plan(merge(read_yaml(ROOT / "config.yaml"), overlay), ROOT, {}))


def test_classes_that_fit_nowhere_stop_the_run_with_model_file_and_both_lists(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check(tmp_path, {0: "helmet", 1: "vest"})
    said = str(caught.value)
    assert said.startswith(f"ssdlite_mobilenet_v2 on {tmp_path / 'instances.json'}: ")
    assert "1 person, 2 bicycle" in said and "0 helmet, 1 vest" in said
    assert "class_ids" in said and "labels" in said and "leave ssdlite_mobilenet_v2 out" in said


def test_stated_ids_that_the_annotations_do_not_have_stop_the_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine on .*class_ids has no id of the annotations' categories"):
        check(tmp_path, {50: "helmet"}, class_ids=[None, 1, 2])
    with pytest.raises(UserError, match=r"mine on .*a 0, .* category 0 \(helmet\): write null"):
        check(tmp_path, {0: "helmet", 1: "vest"}, class_ids=[0, 1])


def test_classes_that_fit_or_are_not_known_yet_let_it_go_on(tmp_path: Path) -> None:
    check(tmp_path, {0: "helmet", 1: "Person"})
    check(tmp_path, {50: "helmet"}, class_ids=[None, 50])
    check(tmp_path, {50: "helmet"}, labels=["helmet"])
    check(tmp_path, {50: "helmet"}, mean=127.5, std=127.5)  # only the file tells its classes
    check(tmp_path, {0: "helmet"}, dataset="sample")
