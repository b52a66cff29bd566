"""A working copy with a detector of a few layers and eight small images: the whole matrix takes seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import yaml

from support.project import Project
from support.tiny_detector import CLASSES, ROW, SIZE, images, tiny_graph_def

SIDE = 96
CONFIG: dict[str, Any] = {
    "registries": ["mine/models.yaml"],
    "models": ["tiny"],
    "dataset": "local",
    "frameworks": ["tflite", "onnxruntime"],
    "precisions": ["fp32"],
    "reference": {"framework": "tflite"},
    "timing": {"rounds": 1, "seconds": 0.1},
    "verdict": {"replicates": 100},
    "local": {"images": "mine/images", "annotations": "mine/instances.json"},
}


def tiny_project(folder: Path) -> Project:
    """Make the working copy."""
    project = Project.copy_to(folder)
    mine = folder / "mine"
    (mine / "images").mkdir(parents=True)
    (mine / "tiny.pb").write_bytes(tiny_graph_def().SerializeToString())
    rows, boxes = [], []
    for number, pixels in enumerate(images(8, SIDE, seed=3), start=1):
        cv2.imwrite(str(mine / "images" / f"{number}.png"), pixels)
        rows.append({"id": number, "file_name": f"{number}.png", "width": SIDE, "height": SIDE})
        box = {"id": number, "image_id": number, "category_id": 1 + number % CLASSES, "iscrowd": 0}
        boxes.append({**box, "bbox": [8, 8, 48, 48], "area": 2304})
    categories = [{"id": number, "name": f"class {number}"} for number in range(1, CLASSES + 1)]
    document = {"images": rows, "categories": categories, "annotations": boxes}
    (mine / "instances.json").write_text(json.dumps(document))
    assert ROW.heads is not None
    heads = {key: getattr(ROW.heads, key) for key in ("image", "box_encodings", "class_scores", "anchors")}
    write_registry(project, {"tiny": {**row("tiny.pb", "frozen_graph", SIZE), "heads": heads}})
    return project


def row(path: str, file_format: str, size: int) -> dict[str, Any]:
    """A registry row of a local file, without what belongs to its format."""
    return {
        "title": path,
        "source": {"kind": "local", "path": path},
        "format": file_format,
        "licence": "none",
        "trained_on": "nothing",
        "input_size": size,
    }


def write_registry(project: Project, models: dict[str, Any], name: str = "models.yaml") -> None:
    """Write a registry file of these models into the working copy."""
    (project.folder / "mine" / name).write_text(yaml.safe_dump({"models": models}))
