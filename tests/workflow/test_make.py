"""The Makefile's own sentences."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from conftest import ROOT


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as on a terminal, also where another make runs the tests: it would hand its own words on."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=folder, env=inherited, capture_output=True, text=True)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "envs").mkdir()
    (folder / "envs" / "requirements.txt").touch()
    return start(folder, *arguments)


def test_without_a_python_that_fits_nothing_is_made_and_a_sentence_says_so(tmp_path: Path) -> None:
    done = make(tmp_path, "run", "PYTHONS=no-such-python")
    assert done.returncode != 0
    assert "No Python from 3.11 to 3.13 with venv was found (looked for: no-such-python)" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_folder_with_a_space_in_its_path_is_refused_before_anything_is_installed(tmp_path: Path) -> None:
    (tmp_path / "my project").mkdir()
    done = make(tmp_path / "my project", "run")
    assert done.returncode != 0
    assert "has a space or another character" in done.stderr
    assert not (tmp_path / "my project/.venv").exists()


def test_make_alone_lists_the_targets(tmp_path: Path) -> None:
    done = make(tmp_path)
    assert done.returncode == 0
    for target in ("run", "plan", "retry", "test", "test-full", "test-quick", "clean"):
        assert f"\n{target} " in "\n" + done.stdout


def test_a_run_that_ends_badly_is_followed_by_a_report_over_what_exists_and_fails(tmp_path: Path) -> None:
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("snakemake", "python"):
        (binaries / name).write_text(f'#!/bin/sh\necho "{name} $@"\nexit 1\n')
        (binaries / name).chmod(0o755)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs" / "requirements.txt").touch()
    (tmp_path / ".venv" / "run.stamp").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)

    options = "--configfile mine.yaml --profile profiles/slurm --config dataset=local"
    words = ["CONFIG=mine.yaml", "PROFILE=profiles/slurm", "ARGS=--config dataset=local"]
    done = start(tmp_path, "run", *words)

    assert done.returncode != 0
    assert done.stdout.splitlines() == [
        f"python workflow/scripts/run_workflow.py {options}",
    ]
