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

TAG, MODEL = "local", "full_size"
HEADS = {
    "image": "Preprocessor/sub",
    "box_encodings": "Squeeze",
    "class_scores": "Postprocessor/convert_scores",
    "anchors": "Postprocessor/ExpandDims",
}
FRAMEWORKS = {
    "heads": ("tensorflow", "tflite", "onnxruntime", "openvino", "opencv"),
    "graph": ("tflite", "onnxruntime"),
}
CONFIG: dict[str, Any] = {
    "registries": ["mine/models.yaml"],
    "models": [MODEL],
    "dataset": TAG,
    "protocols": list(FRAMEWORKS),
    "frameworks": list(FRAMEWORKS["heads"]),
    "precisions": ["fp32", "int8"],
    "calibration": {"images": 4},
    "local": {
        "images": "mine/images",
        "annotations": "mine/instances.json",
        "calibration": "mine/calibration",
    },
}


def write_images(folder: Path, seed: int) -> list[dict[str, Any]]:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(images(8, SIZE, seed=seed), start=1):
        cv2.imwrite(str(folder / f"{number}.png"), pixels)
    return [{"id": n, "file_name": f"{n}.png", "width": SIZE, "height": SIZE} for n in range(1, 9)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """Every artifact of fp32 and int8, and the detections of every fp32 cell; what the run said."""
    project = Project.copy_to(tmp_path_factory.mktemp("full_size") / "project")
    mine = project.folder / "mine"
    records = write_images(mine / "images", 3)
    write_images(mine / "calibration", 4)
    (mine / "detector.pb").write_bytes(full_size_graph_def().SerializeToString())
    box = {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "bbox": [8, 8, 48, 48], "area": 2304}
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)]
    document = {"images": records, "categories": categories, "annotations": [box]}
    (mine / "instances.json").write_text(json.dumps(document))
    ids = list(range(CLASSES + 1))
    write_registry(project, {MODEL: {**row("detector.pb", "frozen_graph", SIZE), "heads": HEADS, "class_ids": ids}})
    done = project.run("detections", config=CONFIG)
    return project, done.stdout + done.stderr


def test_every_cell_is_made_within_the_memory_of_its_rule(run: tuple[Project, str]) -> None:
    project, said = run
    records = sorted(project.folder.glob(f"results/{TAG}/{MODEL}/*/*/*/detect.json"))
    assert len(records) > 10, said
    for path in records:
        record = json.loads(path.read_text())
        assert record["status"] == "ok", f"{path.parent}: {record['reason']}"
