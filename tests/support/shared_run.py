"""Runs of the workflow that several test files look at: made once, by whichever worker comes first.

They lie in the session's temporary folder, or, if it is set, in the folder that SSDBENCH_TEST_RUNS names: later
sessions find them there as long as the workflow's files are the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from support.project import PARTS, ROOT, Project

FINISHED = "finished"


def runs_folder(factory: pytest.TempPathFactory) -> Path:
    """One folder for all workers."""
    if kept := os.environ.get("SSDBENCH_TEST_RUNS"):
        return Path(kept)
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def workflow_hash() -> str:
    """A hash of the files that a working copy takes from the project, by path and content."""
    digest = hashlib.sha256()
    for part in PARTS:
        for path in sorted([ROOT / part, *(ROOT / part).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def shared_run(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Project]) -> Project:
    """The project that `make` made in the folder it was given; later callers get it as it was made.

    The others wait while it is made. Nobody may change it: work in a `copy_of`. If `make` fails, the next caller
    tries again.
    """
    home = runs_folder(factory) / f"{name}-{workflow_hash()}"
    home.mkdir(parents=True, exist_ok=True)
    folder = home / "project"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / FINISHED).exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            (home / FINISHED).touch()
    return Project(folder)


def copy_of(project: Project, folder: Path, without: tuple[str, ...] = ()) -> Project:
    """A copy to work in, times kept. `without`: names at the top that are left out, such as results.

    Files under resources/ are hard links, since the workflow replaces such files and never writes into them.
    """
    resources = str(project.folder / "resources")

    def ignored(parent: str, names: list[str]) -> set[str]:
        return {name for name in names if Path(parent) == project.folder and name.startswith(without)}

    def copy(source: str, destination: str) -> None:
        if source.startswith(resources):
            with suppress(OSError):  # another disk
                os.link(source, destination)
                return
        shutil.copy2(source, destination)

    shutil.copytree(project.folder, folder, symlinks=True, ignore=ignored if without else None, copy_function=copy)
    return Project(folder)
