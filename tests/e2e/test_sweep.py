"""A sweep: every setting of a cell is a row, whatever became of it, and a batch gives what its images give."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Heads
from ssdbench.conversion.artifact import open_artifact
from ssdbench.conversion.batching import Single, with_batch
from ssdbench.conversion.check_conversion import run_all
from ssdbench.runtimes import open_session
from support.project import Project

pytestmark = pytest.mark.slow

MODEL = "ssdlite_mobilenet_v2"
TOO_MANY = 2 * (os.cpu_count() or 1)
SWEEP: dict[str, Any] = {
    "frameworks": ["tflite"],
    "precisions": ["int8"],
    "results_dir": "results_sweep",
    "timing": {"batches": [1, 2], "threads": 1, "streams": [1, TOO_MANY], "rounds": 1, "seconds": 0.1},
}


def scenes(project: Project, count: int) -> list[UInt8]:
    """Pixels uint8 RGB [300, 300, 3] of the sample's scenes."""
    files = sorted((project.folder / "resources/datasets/sample/images").glob("*.jpg"))[:count]
    resized = (cv2.resize(cv2.imread(str(file)), (300, 300)) for file in files)
    return [cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in resized]


def single_card(project: Project, framework: str, precision: str) -> Path:
    """The card of the artifact that takes single images; other tests calibrate with other images, beside it."""
    name = "int8-sample-*" if precision == "int8" else precision
    (card,) = project.folder.glob(f"resources/models/{MODEL}/artifacts/heads/{framework}/{name}/card.json")
    return card


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_tflite_artifact_of_a_batch_gives_exactly_what_the_one_of_single_images_gives(
    precision: str, project: Project, tmp_path: Path
) -> None:
    card = single_card(project, "tflite", precision)
    pixels = scenes(project, 10)  # two and a half batches
    single = Single(*open_artifact(card))
    made = with_batch(single, 4, pixels[:2], tmp_path)
    assert (made["batch"], made["input"]["shape"]) == (4, [4, 300, 300, 3])
    one_by_one = run_all(open_session("tflite", single.path, 1), pixels)
    together = run_all(open_session("tflite", tmp_path / made["file"], 1), pixels, batch=4)
    same_batches(one_by_one, together, exactly=True)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_an_onnx_artifact_gives_a_batch_what_its_images_get(precision: str, project: Project) -> None:
    card = single_card(project, "onnxruntime", precision)
    pixels = scenes(project, 8)
    session = open_session("onnxruntime", open_artifact(card)[1], 1)
    same_batches(run_all(session, pixels), run_all(session, pixels, batch=4), exactly=False)


def same_batches(one_by_one: list[Heads], together: list[Heads], exactly: bool) -> None:
    assert len(one_by_one) == len(together) > 0
    for one, other in zip(one_by_one, together, strict=True):
        for name in ("encodings", "scores"):
            difference = np.abs(getattr(one, name) - getattr(other, name)).max()
            assert difference == 0 if exactly else difference < 1e-4


def test_every_setting_has_a_row_and_what_is_too_large_says_so(project: Project) -> None:
    done = project.run(config=SWEEP)
    assert done.returncode == 0, done.stdout + done.stderr
    with (project.folder / "results_sweep/sample/sweep.csv").open(newline="") as file:
        rows = {row["setting"]: row for row in csv.DictReader(file)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "b1-t1-s1": "ok",
        f"b1-t1-s{TOO_MANY}": "unsupported",
        "b2-t1-s1": "ok",
        f"b2-t1-s{TOO_MANY}": "unsupported",
    }
    assert f"needs {TOO_MANY} cores" in rows[f"b1-t1-s{TOO_MANY}"]["reason"]
    rounds = sorted((project.folder / f"results_sweep/sample/{MODEL}/heads/timing/b2-t1-s1").glob("round*.json"))
    measured = [one for one in map(project.json, map(str, rounds)) if one["cells"]]
    assert {(one["batch"], one["streams"]) for one in measured} == {(2, 1)}
    turns = [one["cells"]["tflite/int8"]["turns"] for one in measured]
    queries, seconds = (sum(sum(one[key]) for one in turns) for key in ("queries", "seconds"))
    assert float(rows["b2-t1-s1"]["throughput_ips"]) == pytest.approx(2 * queries / seconds, rel=0.01)
    page = (project.folder / "results_sweep/sample/report/index.html").read_text()
    assert 'id="sweep"' in page
    done = project.script("forget_failed.py", "--configfile", "test_config.yaml")
    assert "No failed step." in done.stdout  # the machine is as small as before
