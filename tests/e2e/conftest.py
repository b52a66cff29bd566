"""One working copy for all end-to-end tests, so that artifacts are converted once."""

from __future__ import annotations

from typing import Any

import pytest

from support.project import Project

# Short rounds: these tests look at what is measured and not at how long it takes.
QUICK: dict[str, Any] = {"timing": {"rounds": 1, "seconds": 0.1}}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A working copy in which the default matrix has been run."""
    project = Project.copy_to(tmp_path_factory.mktemp("e2e") / "project")
    done = project.run(config=QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return project
