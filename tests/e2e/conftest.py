"""One working copy for all end-to-end tests, so that artifacts are converted once."""

from __future__ import annotations

from typing import Any

import pytest

from conftest import CocoSample
from support.project import Project

# Short rounds: these tests look at what is measured and not at how long it takes.
QUICK: dict[str, Any] = {"timing": {"rounds": 1, "seconds": 0.1, "patience": 1}}


LOCAL: dict[str, Any] = {**QUICK, "dataset": "local"}


@pytest.fixture(scope="session")
def environment(coco_sample: CocoSample) -> dict[str, str]:
    """Where the dataset `local` lies: real COCO images."""
    return {
        "COCO_IMG_PATH": str(coco_sample.images),
        "COCO_ANNO_PATH": str(coco_sample.annotations),
        "COCO_CALIB_PATH": str(coco_sample.calibration),
    }


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A working copy in which the default matrix has been run."""
    project = Project.copy_to(tmp_path_factory.mktemp("e2e") / "project")
    done = project.run(config=QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return project
