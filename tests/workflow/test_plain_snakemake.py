"""Snakemake without the project's other packages, from another folder, and by either Snakefile plans the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from conftest import ROOT
from support.project import Project, job_counts


def needed_by(name: str) -> set[str]:
    """A distribution and all that it depends on here, without extras."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop().lower().replace("_", "-")
        if one in found:
            continue
        try:
            requirements = map(Requirement, distribution(one).requires or [])
        except PackageNotFoundError:
            continue  # for another system
        found.add(one)
        waiting += [r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with nothing but Snakemake and what that depends on; a `conda` that does nothing."""
    folder = tmp_path_factory.mktemp("plain") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in needed_by("snakemake"):
        one = distribution(name)
        for top in {file.parts[0] for file in one.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            source, link = Path(str(one.locate_file(top))), packages / top
            if source.exists() and not link.exists():
                link.symlink_to(source)
    stub = folder / "bin" / "conda"
    said = {"info --json": '{"conda_prefix": "/nowhere", "platform": "linux-64"}', "--version": "conda 26.1.0"}
    cases = "".join(f"'{question}') echo '{answer}';; " for question, answer in said.items())
    cases += '*) echo \'{"get": {"channel_priority": "strict"}}\';;'
    stub.write_text(f'#!/bin/sh\ncase "$*" in {cases} esac\n')
    stub.chmod(0o755)
    return folder


def plan(python: Path | str, folder: Path, *arguments: str) -> dict[str, int]:
    """How many jobs of each rule a dry run has."""
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("COCO_", "PYTHONPATH"))}
    done = subprocess.run(
        [str(python), "-m", "snakemake", "-n", "--cores", "2", *arguments],
        cwd=folder,
        env={**inherited, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return job_counts(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The default run's jobs, with all packages."""
    return plan(sys.executable, Project.copy_to(tmp_path_factory.mktemp("all") / "project").folder)


def test_nothing_but_snakemake_parses_and_plans(plain: Path, everything: dict[str, int], tmp_path: Path) -> None:
    project = Project.copy_to(tmp_path / "project")
    python = plain / "bin" / "python"
    assert subprocess.run([python, "-c", "import numpy"], capture_output=True).returncode != 0
    # Without conda no framework is there: every cell is unsupported, and the page says so.
    assert set(plan(python, project.folder)) == {"compose_sample", "list_images", "build_report", "check_cells"}
    assert plan(python, project.folder, "--sdm", "conda") == everything


def test_both_snakefiles_plan_the_same(everything: dict[str, int], tmp_path: Path) -> None:
    project = Project.copy_to(tmp_path / "project")
    assert plan(sys.executable, project.folder, "-s", "workflow/Snakefile") == everything


def test_another_folder_can_use_it_as_a_module(everything: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        f'module ssdbench:\n    snakefile: "{ROOT / "workflow/Snakefile"}"\n    config: config\n\n'
        'use rule * from ssdbench\n\nworkflow.default_target = "all"\n'
    )
    assert plan(sys.executable, tmp_path, "--resources", "slots=100") == everything


def test_planning_writes_nothing_and_says_nothing_of_its_own(tmp_path: Path) -> None:
    project = Project.copy_to(tmp_path / "project")
    before = sorted(path for path in project.folder.rglob("*") if ".snakemake" not in path.parts)
    done = project.run("-n")
    assert done.returncode == 0
    assert "index.html\nBuilding DAG" not in done.stdout + done.stderr
    assert done.stderr.splitlines()[1:] == []
    assert sorted(path for path in project.folder.rglob("*") if ".snakemake" not in path.parts) == before
    assert not (project.folder / ".snakemake" / "run.lock").exists()
