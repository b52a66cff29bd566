"""A model of the TF2 zoo from its archive to the report: the registry's own row, with the file that a test made."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conftest import ROOT
from e2e.conftest import QUICK
from ssdbench.boxes.anchors import standard_anchors
from ssdbench.catalog.registry import ModelRow, Source
from ssdbench.conversion.load_graph import load_graph
from support.project import Project
from support.server import FileServer
from support.tf2_detector import detector_of, write_targz

pytestmark = pytest.mark.full
ZOO = "ssd_mobilenet_v2_320x320_coco17_tpu-8"
BASE = "ssdlite_mobilenet_v2"


def test_the_zoo_s_row_runs_in_both_protocols_and_finds_what_its_weights_find(project: Project, tmp_path: Path) -> None:
    artifact = project.folder / f"resources/models/{BASE}/artifacts/heads/tensorflow/fp32/model.pb"
    heads = load_graph(ModelRow("base", "", Source("local"), "frozen_graph", "", "", 300), artifact)
    saved_model = detector_of(heads, standard_anchors(), tmp_path / "saved_model")
    (tmp_path / "www").mkdir()
    write_targz(tmp_path / "www" / f"{ZOO}.tar.gz", saved_model, ZOO)
    row = yaml.safe_load((ROOT / "workflow/resources/registry.yaml").read_text())["models"][ZOO]
    with FileServer(tmp_path / "www") as server:
        row["source"]["file"] = {"name": f"{ZOO}.tar.gz", "urls": [f"{server.url}/{ZOO}.tar.gz"]}
        (tmp_path / "overlay.yaml").write_text(yaml.safe_dump({"models": {ZOO: row}}))
        cells = {"models": [ZOO], "protocols": ["heads", "graph"], "frameworks": ["tensorflow", "tflite"]}
        run = {**QUICK, **cells, "precisions": ["fp32"], "registries": [str(tmp_path / "overlay.yaml")]}
        done = project.run(config=run)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = project.summary("sample")
    assert {name[1:]: row["status"] for name, row in rows.items()} == {
        (protocol, framework, "fp32"): "ok" for protocol in ("heads", "graph") for framework in ("tensorflow", "tflite")
    }
    ap = {name[1:3]: float(row["AP"]) for name, row in rows.items()}
    wanted = project.json(f"results/sample/{BASE}/heads/tensorflow/fp32/metrics.json")["metrics"]["AP"]
    assert ap["heads", "tensorflow"] == pytest.approx(wanted, abs=0.0005)
    assert ap["heads", "tflite"] == pytest.approx(wanted, abs=0.0005)
    # Its own suppression has the thresholds of ours; TFLite's operator does not clip boxes before it.
    assert ap["graph", "tensorflow"] == pytest.approx(wanted, abs=0.002)
    assert ap["graph", "tflite"] == pytest.approx(wanted, abs=0.01)
    card = project.json(f"resources/models/{ZOO}/artifacts/graph/tensorflow/fp32/card.json")
    assert card["file"] == "saved_model"
    page = (project.folder / "results/sample/report/index.html").read_text()
    assert f"{ZOO}.tar.gz" in page  # trusted on first use
