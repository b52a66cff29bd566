"""A cell that fails leaves the others alone, says why, and is the only one that a retry makes again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from support.bad_models import BAD_MODELS, SOON, with_bad_cells, write_bad_model
from support.faults import Run
from support.tiny_project import CONFIG, row, tiny_project, write_registry

pytestmark = pytest.mark.slow

WORDS = {
    "nan": "NaN",
    "memory": "cannot be run|llocate|memory",
    "crash": "killed by signal 11",
    "broken": "model.onnx",
}


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny matrix with four cells more: three of bad model files, and one of a file that is not a model."""
    project = tiny_project(tmp_path_factory.mktemp("failed") / "project")
    models = {f"bad_{name}": write_bad_model(name, project.folder / "mine") for name in BAD_MODELS if name in WORDS}
    (project.folder / "mine/broken.onnx").write_bytes(b"not a model")
    models["bad_broken"] = {**row("broken.onnx", "onnx", 32), "given": ["graph", "fp32"]}
    write_registry(project, models, "bad.yaml")
    run = Run(project, with_bad_cells(frameworks()))
    assert run.wait() == 1
    return run


def frameworks() -> dict[str, str]:
    """The framework of each bad model."""
    return {
        **{f"bad_{name}": framework for name, (_, framework) in BAD_MODELS.items() if name in WORDS},
        "bad_broken": "onnxruntime",
    }


@pytest.mark.parametrize("name", WORDS)
def test_a_bad_model_fails_its_cell_alone(failed: Run, name: str) -> None:
    project, framework = failed.project, frameworks()[f"bad_{name}"]
    rows = project.summary("local")
    bad = rows[f"bad_{name}", "graph", framework, "fp32"]
    assert bad["status"] == "failed"
    assert re.search(WORDS[name], bad["reason"]), bad["reason"]
    assert bad["AP"] == ""
    assert (project.folder / bad["log"]).is_file()
    record = project.json(f"results/local/bad_{name}/graph/{framework}/fp32/run.json")
    assert record["log_tail"], "the end of the log stands in the record"


def test_the_other_cells_and_the_pages_are_made_and_the_run_says_how_many_failed(failed: Run) -> None:
    assert f"{len(WORDS)} of the cells failed" in failed.output
    rows = failed.project.summary("local")
    assert {row["status"] for name, row in rows.items() if name[0] == "tiny"} == {"ok"}
    for page in ("results/local/report/index.html", "results/published/index.html"):
        assert "failed" in (failed.project.folder / page).read_text()


def test_a_retry_makes_the_failed_cells_anew_and_no_other(failed: Run) -> None:
    project = failed.project
    said = project.script("forget_failed.py", "--configfile", "test_config.yaml")
    assert all(name in said.stdout for name in frameworks())
    assert "/tiny/" not in said.stdout
    jobs = project.dry_run(config=with_bad_cells(frameworks()))
    assert jobs["convert_model"] == jobs["detect_objects"] == jobs["time_inference"] == len(WORDS)


def test_a_swapped_model_file_fails_the_cell_and_a_retry_makes_it_anew(failed: Run) -> None:
    project = failed.project
    folder = project.folder / "resources/models/tiny/artifacts/heads/tflite/fp32"
    (folder / "model.tflite").write_bytes((folder / "model.tflite").read_bytes() + bytes(16))
    config = {**CONFIG, "results_dir": "results_swapped", "frameworks": ["tflite"]}
    (project.folder / "test_config.yaml").write_text(yaml.safe_dump(config))
    said = project.script("forget_failed.py", "--configfile", "test_config.yaml", "--dry-run")
    assert "resources/models/tiny/artifacts/heads/tflite/fp32/card.json" in said.stdout
    assert (folder / "card.json").is_file()
    assert project.run(config=config).returncode == 1
    (cell,) = project.summary("local", "results_swapped").values()
    assert "is not the one that its card.json describes" in cell["reason"]
    project.script("forget_failed.py", "--configfile", "test_config.yaml")
    assert project.run("detections", config=config).returncode == 0


@pytest.mark.full
def test_a_model_that_never_ends_fails_its_cell_at_its_time_limit(tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "project")
    write_registry(project, {"bad_hang": write_bad_model("hang", project.folder / "mine")}, "bad.yaml")
    run = Run(project, with_bad_cells({"bad_hang": "onnxruntime"}), *SOON)
    assert run.wait() == 1
    bad = project.summary("local")["bad_hang", "graph", "onnxruntime", "fp32"]
    assert bad["status"] == "failed"
    assert "took longer than its limit of 54 s" in bad["reason"]
