"""Bad images and annotations: one sentence that names the file, before any inference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from support.project import Project

pytestmark = pytest.mark.slow
IMAGES = {1: "one.jpg", 2: "two.jpg"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copy_to(tmp_path_factory.mktemp("bad") / "project")


def write_dataset(folder: Path) -> dict[str, Any]:
    (folder / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for name in IMAGES.values():
        cv2.imwrite(str(folder / "images" / name), pixels)
    document = {
        "images": [{"id": i, "file_name": name, "width": 64, "height": 48} for i, name in IMAGES.items()],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 60, "iscrowd": 0}],
    }
    (folder / "instances.json").write_text(json.dumps(document))
    return document


def list_images(project: Project, folder: Path) -> tuple[int, str]:
    done = project.run(
        "results/local/images.json",
        "--force",
        config={"dataset": "local"},
        environment={"COCO_IMG_PATH": str(folder / "images"), "COCO_ANNO_PATH": str(folder / "instances.json")},
    )
    return done.returncode, done.stdout + done.stderr


def test_whole_images_with_their_annotations_are_listed(project: Project, tmp_path: Path) -> None:
    write_dataset(tmp_path)
    code, output = list_images(project, tmp_path)
    assert code == 0, output
    listed = project.json("results/local/images.json")["images"]
    assert [image["id"] for image in listed] == [1, 2]


@pytest.mark.parametrize(
    "fault", ["missing", "truncated", "no image", "another size", "captions", "no JSON", "unknown image"]
)
def test_what_is_wrong_is_said_with_the_file(project: Project, tmp_path: Path, fault: str) -> None:
    document = write_dataset(tmp_path)
    image, annotations = tmp_path / "images" / "two.jpg", tmp_path / "instances.json"
    if fault == "missing":
        image.unlink()
        expected = ["1 of 2 images is missing in", "two.jpg"]
    elif fault == "truncated":
        image.write_bytes(image.read_bytes()[:-200])
        expected = ["two.jpg is truncated"]
    elif fault == "no image":
        image.write_text("hello")
        expected = ["two.jpg is not an image"]
    elif fault == "another size":
        document["images"][1]["width"] = 63
        annotations.write_text(json.dumps(document))
        expected = ["two.jpg is 64x48 pixels", "63x48"]
    elif fault == "captions":
        annotations.write_text(json.dumps({"images": document["images"], "annotations": [{"caption": "a dog"}]}))
        expected = ["instances.json"]
    elif fault == "no JSON":
        annotations.write_text("{")
        expected = ["instances.json is not JSON"]
    else:
        document["annotations"][0]["image_id"] = 9
        annotations.write_text(json.dumps(document))
        expected = ["instances.json", "9"]
    code, output = list_images(project, tmp_path)
    assert code == 1
    for words in expected:
        assert words in output, output
    assert "Traceback" not in output


def test_a_model_without_a_class_of_the_annotations_stops_the_run_before_its_first_job(
    project: Project, tmp_path: Path
) -> None:
    document = write_dataset(tmp_path)
    document["categories"] = [{"id": 1, "name": "helmet"}]
    (tmp_path / "instances.json").write_text(json.dumps(document))
    local = {"COCO_IMG_PATH": str(tmp_path / "images"), "COCO_ANNO_PATH": str(tmp_path / "instances.json")}
    done = project.run(config={"dataset": "local"}, environment=local)
    planned = project.script("plan.py", "--config", "dataset=local", environment=local)
    assert (done.returncode, planned.returncode) == (1, 1)
    for output in (done.stdout + done.stderr, planned.stderr):
        assert "1 person, 2 bicycle" in output and "the annotations have 1 helmet" in output
        assert "Traceback" not in output
    assert not (project.folder / "resources/models").exists()
