"""`make bench` at a tiny size: its parts, their claims of equality, what it leaves behind. No times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from support.project import Project

pytestmark = pytest.mark.full


def test_every_part_is_measured_and_what_must_be_equal_is(project: Project) -> None:
    bench(project, "--cells", "tflite int8")

    page = (project.folder / "measured/RESULTS.md").read_text()
    assert "not equal" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len([row for row in rows if "| equal" in row]) == 4
    measured = raw(project)
    assert len(measured) == 7
    (rounds,) = measured["Accuracy pass against its ceiling"]["cells"].values()
    assert all(result["seconds"] > 0 for result in rounds["pass"] + rounds["one session"] + rounds["a session a core"])
    rules = measured["What Snakemake and Python cost"]["rules"]
    assert rules["time_inference"]["jobs"] == 1
    assert rules["build_report"]["seconds"] > 0

    bench(project, "--only", "boxes")
    again = raw(project)
    assert list(again) == list(measured), "what is not measured again stays"
    changed = [title for title in again if again[title] != measured[title]]
    assert changed == ["Post-processing of one image"]


def bench(project: Project, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "bench/measure.py", "--quick", "--out", "measured", *arguments],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": "workflow/scripts"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def raw(project: Project) -> dict[str, Any]:
    """What was measured, by part."""
    entries = json.loads((project.folder / "measured/results.json").read_text())
    assert all(one["day"] and one["machine"] and one["command"] for one in entries)
    return {one["measurement"]["title"]: one["measurement"]["raw"] for one in entries}
