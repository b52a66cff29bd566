"""Jobs that vanished: a report over what exists, and nothing else, is made of the rest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import QUICK
from support.project import Project

pytestmark = pytest.mark.slow
MODEL = "ssdlite_mobilenet_v2"
CELLS = f"results/sample/{MODEL}/heads"
ABSENT = "job ended without a result"


def report_absent(project: Project, config: dict[str, Any]) -> str:
    """What `make run` does after a run that ended badly."""
    (project.folder / "test_config.yaml").write_text(yaml.safe_dump(config))
    done = project.script("report_absent.py", "--configfile", "test_config.yaml", "--cores", "2")
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout + done.stderr


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and "log" not in path.parts}


@pytest.fixture(scope="module")
def robbed(project: Project) -> Project:
    """A copy of the default run, of which jobs of three cells have no result and in which code was edited since."""
    cells = project.folder / CELLS
    shutil.rmtree(cells / "tflite/fp16")  # nothing at all
    for gone in ("timing.json", "run.json"):  # timed, but not put together
        (cells / "tflite/int8" / gone).unlink()
    (cells / "onnxruntime/fp32/detect.json").unlink()  # detected anew: what follows is of another time
    with (project.folder / "workflow/scripts/ssdbench/inference/accuracy_pass.py").open("a") as file:
        file.write("\n# edited\n")
    return project


def test_the_rest_is_reported_and_nothing_else_is_made(robbed: Project) -> None:
    before = times(robbed.folder / CELLS)
    said = report_absent(robbed, QUICK)

    assert set(re.findall(r"^(?:local)?rule (\w+):", said, flags=re.M)) == {"build_report", "check_cells"}
    assert times(robbed.folder / CELLS) == before
    assert "2 of the cells failed" in said
    rows = {name[2:]: row for name, row in robbed.summary("sample").items()}
    failed = {name: row for name, row in rows.items() if row["status"] == "failed"}
    assert set(failed) == {("tflite", "fp16"), ("onnxruntime", "fp32")}
    assert {row["reason"] for row in failed.values()} == {ABSENT}
    assert [row["AP"] for row in (rows["tflite", "fp16"], rows["onnxruntime", "fp32"])] == ["", ""]
    assert (rows["tflite", "int8"]["status"], rows["tensorflow", "fp32"]["status"]) == ("ok", "ok")
    assert float(rows["tflite", "int8"]["latency_p50_ms"]) > 0  # put together from its rounds
    assert ABSENT in (robbed.folder / "results/sample/report/index.html").read_text()


def test_the_target_report_says_it_without_failing_and_looks_again(robbed: Project) -> None:
    config = {**QUICK, "absent": "failed"}
    assert robbed.run("report", config=config).returncode == 0
    assert "Nothing to be done" in (done := robbed.run("report", config=config)).stdout + done.stderr
    (robbed.folder / CELLS / "tflite/int8/metrics.json").unlink()
    assert robbed.dry_run("report", config=config)["build_report"] == 1


def test_what_asks_for_something_else_gets_no_report(robbed: Project) -> None:
    for arguments in (["-n"], ["fetch", "--cores", "2"], ["--config", "datasets=nowhere"]):
        done = robbed.script("report_absent.py", *arguments)
        assert (done.returncode, done.stdout) == (1, "")


def test_a_model_that_cannot_be_fetched_fails_its_cells_and_the_rest_stands(robbed: Project, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "models: {far: {title: Far, source: {kind: file, file: {name: far.onnx, urls: ['http://127.0.0.1:9/far.onnx'], "
        f"size: 10, sha256: '{'0' * 64}'}}}}, format: onnx, given: [heads, fp32], licence: none, trained_on: nothing, "
        "input_size: 300}}"
    )
    config = {
        **QUICK,
        "dataset": "sample-first4",
        "results_dir": "results_far",
        "registries": [str(tmp_path / "mine.yaml")],
        "models": [MODEL, "far"],
        "frameworks": ["onnxruntime"],
        "precisions": ["fp32"],
        "reference": {"framework": "onnxruntime"},
    }
    assert robbed.run(config=config).returncode == 1
    said = report_absent(robbed, config)
    rows = robbed.summary("sample-first4", "results_far")
    far = rows["far", "heads", "onnxruntime", "fp32"]
    assert (far["status"], far["log"]) == ("failed", "logs/models/far/fetch_model.log")
    assert far["reason"].startswith(f"{ABSENT}: ")
    assert "127.0.0.1:9" in far["reason"]
    assert rows[MODEL, "heads", "onnxruntime", "fp32"]["status"] == "ok"
    assert "1 of the cells failed" in said
