"""`make bench` at a tiny size: its parts, their claims of equality, what it leaves behind. No times."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.project import Project

pytestmark = pytest.mark.full


def test_every_part_is_measured_and_what_must_be_equal_is(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "bench/measure.py", "--quick", "--cells", "tflite int8", "--out", "measured"],
        cwd=project.folder,
        env={**os.environ, "PYTHONPATH": "workflow/scripts"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    page = (project.folder / "measured/RESULTS.md").read_text()
    assert "not equal" not in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len([row for row in rows if "| equal" in row]) == 4
    measured = json.loads((project.folder / "measured/results.json").read_text())
    assert measured["host"]["cpu"]
    assert len(measured["measured"]) == 7
    (rounds,) = measured["measured"]["Accuracy pass against its ceiling"]["cells"].values()
    assert all(result["seconds"] > 0 for result in rounds["pass"] + rounds["one session"] + rounds["a session a core"])
    rules = measured["measured"]["What Snakemake and Python cost"]["rules"]
    assert rules["time_inference"]["jobs"] == 1
    assert rules["build_report"]["seconds"] > 0
