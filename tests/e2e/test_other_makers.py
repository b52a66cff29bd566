"""Detector files of other makers, as they are found in the world, by hand and in the workflow: the right AP of each.

The right values were computed without this project, two ways: a decoding written by hand, and the files' own operator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import run
from conftest import CocoSample
from e2e.conftest import LOCAL
from support.project import Project
from support.tiny_project import write_registry

pytestmark = pytest.mark.full


@dataclass(frozen=True)
class Theirs:
    """A file, its registry row without what all rows have, the flags that state the same, and its right AP."""

    file: str
    row: dict[str, Any]
    flags: tuple[str, ...]
    ap: float | None = None

    @property
    def kind(self) -> str:
        return str(self.row["given"][0])

    @property
    def precision(self) -> str:
        return str(self.row["given"][1])


FILES = {
    # The operators of both .tflite files keep ten detections. This one's metadata state mean and deviation.
    "v1_quantised": Theirs(
        "ssd_mobilenet_v1_coco_quant_metadata.tflite",
        {"format": "tflite", "given": ["graph", "int8"], "input_size": 300},
        (),
        0.1828,
    ),
    "fpnlite": Theirs(
        "ssd_mobilenet_v2_fpnlite_320_dynamic_range.tflite",
        {"format": "tflite", "given": ["graph", "int8_dynamic"], "input_size": 320, "mean": 127.5, "std": 127.5},
        ("--mean", "127.5", "--std", "127.5"),
        0.2445,
    ),
    # Faces lie in COCO's persons, and are found; their boxes are not persons' boxes.
    "face": Theirs(
        "face_rfb_320x240.onnx",
        {
            "format": "onnx",
            "given": ["heads", "fp32"],
            "input_size": [240, 320],
            "mean": 127,
            "std": 128,
            "class_ids": [None, 1],
        },
        ("--mean", "127", "--std", "128", "--class_ids", "null", "1"),
    ),
}
TEN = "No image has more than 10 detections, and 130 of 130 images have just 10"
# The kernels of the dynamic file are sensitive: .2416 with inputs 1e-7 off.
CLOSE = {"v1_quantised": 5e-4, "fpnlite": 4e-3}


def by_hand(theirs: Theirs, folder: Path, sample: CocoSample, framework: str, *flags: str) -> tuple[float, str]:
    options = ["-m", str(folder / theirs.file), "-f", framework, "-p", theirs.precision, "--num_runs", "130"]
    data = ["--images_path", str(sample.images), "--anno_path", str(sample.annotations)]
    words = run.run(run.parse_arguments([*options, *data, *theirs.flags, *flags], {}))
    return float(re.search(r"^AP +([\d.]+)$", words, flags=re.M)[1]), words  # type: ignore[index]


@pytest.mark.parametrize("name", ["v1_quantised", "fpnlite"])
def test_by_hand_they_have_their_right_ap(name: str, other_models: Path, coco_sample: CocoSample) -> None:
    ap, words = by_hand(FILES[name], other_models, coco_sample, "tflite")
    assert ap == pytest.approx(FILES[name].ap, abs=CLOSE[name])
    assert f"(graph, {FILES[name].precision})" in words
    assert TEN in words
    assert ("found by the file's own metadata" in words) == (name == "v1_quantised")


def test_by_hand_a_face_detector_of_240_by_320_gives_the_same_in_every_framework(
    other_models: Path, coco_sample: CocoSample, tmp_path: Path
) -> None:
    aps = []
    for framework in ("onnxruntime", "openvino", "opencv"):
        ap, words = by_hand(FILES["face"], other_models, coco_sample, framework)
        assert "boxes: decoded, x1 y1 x2 y2, in shares of the sides, found by" in words
        assert "of 80 categories are not among the model's classes" in words
        aps.append(ap)
    (tmp_path / "names.txt").write_text("person\n")
    named = Theirs("face_rfb_320x240.onnx", FILES["face"].row, FILES["face"].flags[:4])
    aps.append(by_hand(named, other_models, coco_sample, "onnxruntime", "--labels", str(tmp_path / "names.txt"))[0])
    assert max(aps) - min(aps) < 1e-4


@pytest.fixture(scope="module")
def ran(
    other_models: Path, coco_sample: CocoSample, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, str]:
    """The three files in every framework that runs them; what the run said."""
    project = Project.copy_to(tmp_path_factory.mktemp("other_makers") / "project")
    (project.folder / "mine").mkdir()
    rows = {
        name: {
            "title": name,
            "source": {"kind": "local", "path": str(other_models / theirs.file)},
            "licence": "theirs",
            "trained_on": "theirs",
            **theirs.row,
        }
        for name, theirs in FILES.items()
    }
    write_registry(project, rows)
    config = {
        **LOCAL,
        "registries": ["mine/models.yaml"],
        "models": list(FILES),
        "protocols": ["heads", "graph"],
        "frameworks": ["tflite", "onnxruntime", "openvino", "opencv"],
        "precisions": ["fp32", "int8", "int8_dynamic"],
        "reference": {"framework": "onnxruntime"},
    }
    done = project.run(config=config, environment=environment)
    return project, done.stdout + done.stderr


def test_in_the_workflow_they_have_the_same_under_their_own_labels(ran: tuple[Project, str]) -> None:
    project, said = ran
    rows = project.summary("local")
    ok = {cell: float(row["AP"]) for cell, row in rows.items() if row["status"] == "ok"}
    face = {("face", "heads", framework, "fp32") for framework in ("onnxruntime", "openvino", "opencv")}
    tflite = {(name, "graph", "tflite", FILES[name].precision) for name in ("v1_quantised", "fpnlite")}
    assert set(ok) == face | tflite, said
    for cell in tflite:
        assert ok[cell] == pytest.approx(FILES[cell[0]].ap, abs=CLOSE[cell[0]])
        metrics = project.json(f"results/local/{'/'.join(cell)}/metrics.json")
        assert any(note.startswith(TEN) for note in metrics["notes"])
    assert max(ok[cell] for cell in face) - min(ok[cell] for cell in face) < 1e-4
    card = project.json("resources/models/v1_quantised/artifacts/graph/tflite/int8/card.json")
    assert "found by the file's own metadata" in card["found"]["input"]
