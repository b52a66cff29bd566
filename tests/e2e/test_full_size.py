"""A detector of the published size is converted and run within the memory that the rules give by default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from support.full_size import CLASSES, SIZE, full_size_graph_def
from support.project import Project
from support.tiny_detector import images
from support.tiny_project import row, write_registry

pytestmark = pytest.mark.full

TAG, MODEL, SIDE = "local", "full_size", 320
HEADS = {
    "image": "Preprocessor/sub",
    "box_encodings": "Squeeze",
    "class_scores": "Postprocessor/convert_scores",
    "anchors": "Postprocessor/ExpandDims",
}
FRAMEWORKS = {
    "heads": ("tensorflow", "tflite", "onnxruntime", "openvino", "opencv"),
    "graph": ("tflite", "onnxruntime", "openvino"),
}
CELLS = [(kind, framework) for kind, names in FRAMEWORKS.items() for framework in names]
CONFIG: dict[str, Any] = {
    "registries": ["mine/models.yaml"],
    "models": [MODEL],
    "dataset": TAG,
    "protocols": list(FRAMEWORKS),
    "frameworks": list(FRAMEWORKS["heads"]),
    "precisions": ["fp32"],
    "local": {"images": "mine/images", "annotations": "mine/instances.json"},
}


def write_images(folder: Path, seed: int) -> list[dict[str, Any]]:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(images(8, SIDE, seed=seed), start=1):
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    return [{"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE} for n in range(1, 9)]


def detect_record(kind: str, framework: str) -> str:
    return f"results/{TAG}/{MODEL}/{kind}/{framework}/fp32/detect.json"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """The artifacts and detections of every cell; what the run said. Random predictors are of no use in int8."""
    project = Project.copy_to(tmp_path_factory.mktemp("full_size") / "project")
    mine = project.folder / "mine"
    records = write_images(mine / "images", 3)
    (mine / "detector.pb").write_bytes(full_size_graph_def().SerializeToString())
    assert (mine / "detector.pb").stat().st_size > 60e6
    box = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [8, 8, 48, 48], "area": 2304}
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)]
    document = {"images": records, "categories": categories, "annotations": [box]}
    (mine / "instances.json").write_text(json.dumps(document))
    keys = {"heads": HEADS, "class_ids": list(range(CLASSES + 1))}
    write_registry(project, {MODEL: {**row("detector.pb", "frozen_graph", SIZE), **keys}})
    done = project.run(*(detect_record(*cell) for cell in CELLS), "--keep-going", config=CONFIG)
    return project, done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "framework"), CELLS)
def test_a_cell_is_made_within_the_memory_of_its_rules(kind: str, framework: str, ran: tuple[Project, str]) -> None:
    project, said = ran
    path = project.folder / detect_record(kind, framework)
    assert path.is_file(), said
    record = json.loads(path.read_text())
    assert record["status"] == "ok", record["reason"]
    assert record["detections"] > 0
