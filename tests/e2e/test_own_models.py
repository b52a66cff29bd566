"""The example of a user's models in docs/add-a-model.md, run as it stands there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from e2e.conftest import QUICK
from ssdbench.catalog.registry import ModelRow, Source
from ssdbench.conversion.load_graph import load_graph
from support.documents import yaml_block
from support.own_models import write_anchors, write_onnx
from support.project import Project

pytestmark = pytest.mark.full
MODEL = "ssdlite_mobilenet_v2"


def artifact(project: Project, kind: str, framework: str, file: str) -> Path:
    return project.folder / f"resources/models/{MODEL}/artifacts/{kind}/{framework}/fp32/{file}"


def test_the_models_of_the_page_run_and_find_what_their_weights_find(project: Project) -> None:
    registry, run = (yaml_block("docs/add-a-model.md", f"# mine/{name}.yaml") for name in ("models", "run"))
    mine = project.folder / "mine"
    mine.mkdir()
    (mine / "models.yaml").write_text(yaml.safe_dump(registry))
    heads = load_graph(
        ModelRow("base", "", Source("local"), "frozen_graph", "", "", 300),
        artifact(project, "heads", "tensorflow", "model.pb"),
    )
    write_onnx(heads, mine / "detector.onnx")
    write_anchors(mine / "anchors.npy")
    default = project.run(config={**QUICK, "protocols": ["graph"], "frameworks": ["tflite"], "precisions": ["fp32"]})
    assert default.returncode == 0, default.stdout + default.stderr
    theirs = project.summary("sample")
    shutil.copyfile(artifact(project, "graph", "tflite", "model.tflite"), mine / "detector.tflite")

    done = project.run(config={**QUICK, **run})

    assert done.returncode == 0, done.stdout + done.stderr
    rows = project.summary("sample")
    ours = {name: float(row["AP"]) for name, row in rows.items() if row["status"] == "ok"}
    several = {("my_onnx", "heads", framework, "fp32") for framework in ("onnxruntime", "openvino", "opencv")}
    assert set(ours) == several | {("my_tflite", "graph", "tflite", "fp32")}
    assert max(ours[name] for name in several) - min(ours[name] for name in several) < 0.001
    assert ours["my_tflite", "graph", "tflite", "fp32"] == float(theirs[MODEL, "graph", "tflite", "fp32"]["AP"])
    wanted = project.json(f"results/sample/{MODEL}/heads/onnxruntime/fp32/metrics.json")["metrics"]["AP"]
    # Resized twice, to 320 and then to 300 pixels, it is not quite the same network.
    assert ours["my_onnx", "heads", "onnxruntime", "fp32"] == pytest.approx(wanted, abs=0.03)
