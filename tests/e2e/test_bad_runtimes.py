"""A model file that crashes its runtime, hangs, wants all memory or gives NaN fails its own cell and nothing else."""

from __future__ import annotations

import re

import pytest

from support.bad_models import BAD_MODELS, SOON, with_bad_cell, write_bad_model
from support.faults import Run
from support.project import Project
from support.tiny_project import tiny_project, write_registry

pytestmark = pytest.mark.slow

WORDS = {
    "nan": "NaN",
    "memory": "cannot be run|llocate|memory",
    "hang": "took longer than its limit of 54 s",
    "crash": "killed by signal 11",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return tiny_project(tmp_path_factory.mktemp("runtimes") / "project")


@pytest.mark.parametrize("name", BAD_MODELS)
def test_a_bad_runtime_fails_its_cell_alone(project: Project, name: str) -> None:
    framework = BAD_MODELS[name][1]
    write_registry(project, {"bad": write_bad_model(name, project.folder / "mine")}, "bad.yaml")
    run = Run(project, with_bad_cell(framework), *SOON)
    assert run.wait() == 1
    assert "1 of the cells failed" in run.output
    rows = project.summary("local")
    bad = rows.pop(("bad", "graph", framework, "fp32"))
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert bad["status"] == "failed"
    assert re.search(WORDS[name], bad["reason"]), bad["reason"]
    assert bad["AP"] == ""
    assert (project.folder / bad["log"]).is_file()
    for page in ("results/local/report/index.html", "results/published/index.html"):
        assert "failed" in (project.folder / page).read_text()
    record = project.json(f"results/local/bad/graph/{framework}/fp32/run.json")
    assert record["log_tail"], "the end of the log stands in the record"
