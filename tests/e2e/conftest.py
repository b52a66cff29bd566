"""Runs of the workflow that the end-to-end tests look at, each made once a session; each file works in its own copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import CocoSample
from support.project import Project
from support.shared_run import copy_of, shared_run

# Short rounds: these tests look at what is measured and not at how long it takes.
QUICK: dict[str, Any] = {"timing": {"rounds": 1, "seconds": 0.1}}


LOCAL: dict[str, Any] = {**QUICK, "dataset": "local"}


@pytest.fixture(scope="session")
def environment(coco_sample: CocoSample, coco_calibration: Path) -> dict[str, str]:
    """Where the dataset `local` lies: real COCO images."""
    return {
        "COCO_IMG_PATH": str(coco_sample.images),
        "COCO_ANNO_PATH": str(coco_sample.annotations),
        "COCO_CALIB_PATH": str(coco_calibration),
    }


def run_default(folder: Path) -> Project:
    """Run the default matrix in a new working copy."""
    project = Project.copy_to(folder)
    done = project.run(config=QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture(scope="session")
def default_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A working copy in which the default matrix has been run: to be read, not changed."""
    return shared_run(tmp_path_factory, "default", run_default)


@pytest.fixture(scope="session")
def local_run(default_run: Project, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same, in which every cell has been run on real COCO images too: to be read, not changed."""

    def run_local(folder: Path) -> Project:
        project = copy_of(default_run, folder)
        done = project.run(config=LOCAL, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return project

    return shared_run(tmp_path_factory, "local", run_local)


@pytest.fixture(scope="module")
def project(default_run: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """This file's own copy of the default run."""
    yield from own_copy(default_run, tmp_path_factory)


@pytest.fixture(scope="module")
def local_project(local_run: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """This file's own copy of the run on real COCO images."""
    yield from own_copy(local_run, tmp_path_factory)


def own_copy(run: Project, factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder = factory.mktemp("copy")
    yield copy_of(run, folder / "project")
    shutil.rmtree(folder)
