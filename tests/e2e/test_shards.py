"""Accuracy runs in shards and in streams: the bytes are those of one run and of a plain loop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from e2e.conftest import QUICK
from support.project import Project

pytestmark = pytest.mark.full
TAG = "sample-first24"
CELL = "ssdlite_mobilenet_v2/heads/{}/fp32"
FRAMEWORKS = ["tensorflow", "tflite", "onnxruntime"]


def files(project: Project, results: str, framework: str) -> dict[str, bytes]:
    folder = project.folder / results / TAG / CELL.format(framework)
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["log"]  # lies in the folder of the run's logs
    return {
        **{name: (folder / name).read_bytes() for name in ("detections.json", "seen.npz")},
        "metrics.json": json.dumps(metrics).encode(),
    }


def test_shards_merge_to_the_bytes_of_one_run_and_a_failed_one_is_made_again(project: Project) -> None:
    common = {**QUICK, "dataset": TAG, "precisions": ["fp32"]}
    whole = {**common, "results_dir": "results_whole"}
    sharded = {**common, "results_dir": "results_sharded", "shard_images": 7}
    for config in (whole, sharded):
        targets = [f"{config['results_dir']}/{TAG}/{CELL.format(name)}/metrics.json" for name in FRAMEWORKS]
        done = project.run(*targets, config=config)
        assert done.returncode == 0, done.stdout + done.stderr

    for name in FRAMEWORKS:
        assert files(project, "results_sharded", name) == files(project, "results_whole", name)
    folder = project.folder / "results_sharded" / TAG / CELL.format("tflite")
    assert json.loads((folder / "detect.json").read_text())["shards"][3]["images"] == 24 - 3 * 7
    assert sorted(path.name for path in (folder / "shards/7").iterdir()) == ["1", "2", "3", "4"]
    assert not (project.folder / "results_whole" / TAG / CELL.format("tflite") / "shards").exists()

    # A failed detection fails what is built on it, too.
    for record in ("shards/7/2/detect.json", "detect.json", "metrics.json"):
        spoil(folder / record)
    file = str(project.folder / "test_config.yaml")
    project.script("forget_failed.py", "--configfile", file)
    jobs = project.dry_run(str(folder.relative_to(project.folder) / "metrics.json"), config=sharded)
    assert (jobs["detect_shard"], jobs["merge_shards"], jobs["evaluate_detections"]) == (1, 1, 1)


def spoil(record: Path) -> None:
    """Make a record one of a failed step."""
    record.write_text(json.dumps({"status": "failed", "reason": "made so", "log": ""}))


@pytest.mark.parametrize(
    ("framework", "precision"), [("tensorflow", "fp32"), ("tflite", "int8"), ("onnxruntime", "fp32")]
)
def test_a_pass_of_any_number_of_cores_writes_what_a_plain_loop_writes(
    project: Project, tmp_path: Path, framework: str, precision: str
) -> None:
    artifacts = project.folder / f"resources/models/ssdlite_mobilenet_v2/artifacts/heads/{framework}"
    card = next(artifacts.glob(f"{precision}*/card.json"))
    sample = project.folder / "resources/datasets/sample"
    script = ROOT / "tests/support/pass_and_loop.py"
    arguments = (framework, card, sample / "images", sample / "annotations.json", tmp_path, 48)
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env={"PYTHONPATH": str(ROOT / "workflow/scripts"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    hashes = json.loads(done.stdout.splitlines()[-1])
    assert hashes["one core"] == hashes["two cores"] == hashes["loop"]
