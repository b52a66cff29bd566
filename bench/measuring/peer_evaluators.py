"""Five other COCO evaluators and this project's, on the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from measuring.evaluation import EQUAL, Case
from measuring.table import Measurement, Row, at_most, holds
from measuring.workers import Result, turned

BAR = 1.2  # times the time of the fastest
_FAST = ("ours", "hotcoco", "ultrafast-pycocotools", "vernier")
_SLOW = ("faster-coco-eval", "pycocotools")  # run once: they take up to two minutes
_SCRIPT = Path(__file__).with_name("one_evaluation.py")
_PACKAGES = Path(__file__).resolve().parents[2] / "workflow" / "scripts"


def peers_python(requirements: Path, folder: Path) -> Path:
    """The Python of an environment with these packages; it is made the first time, and when they change.

    Raises:
        CalledProcessError: they could not be installed.
    """
    python, stamp = folder / "bin" / "python", folder / requirements.name
    if not (stamp.exists() and stamp.read_bytes() == requirements.read_bytes()):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
        subprocess.run([python, *install, requirements], check=True)
        stamp.write_bytes(requirements.read_bytes())
    return python


def measure_evaluators(case: Case, python: Path, rounds: int) -> Measurement:
    """Load and evaluate the case's files with each evaluator, each time in a fresh process.

    python: of the environment that has the peers.
    """
    results: dict[str, list[Result]] = {name: [] for name in (*_FAST, *_SLOW)}
    for number in range(rounds):
        for name in (*turned(_FAST, number), *(() if number else _SLOW)):
            results[name].append(_once(name, case, python))
    return Measurement(
        "Evaluation beside other evaluators",
        f"{case.images} images with 100 detections each, read from the same two files; a fresh process each time, "
        f"whose pools have one thread; {rounds} rounds, in each of which another one comes first "
        f"({' and '.join(_SLOW)} in the first only). A row is the median of loading and evaluating. Where each spends "
        "it is in the file of results: vernier parses detections when it evaluates.",
        rows_of(results),
        results,
    )


def rows_of(results: Mapping[str, list[Result]]) -> list[Row]:
    """The seconds and memory of each evaluator, ours against the fastest, and whether all find the same metrics."""
    totals = {name: median(one["load"] + one["evaluate"] for one in of) for name, of in results.items()}
    fastest = min((name for name in totals if name != "ours"), key=totals.__getitem__)
    rows = [
        Row(
            f"{name}: {median(one['load'] for one in of):.2f} s to load, "
            f"{median(one['evaluate'] for one in of):.2f} s to evaluate, {max(one['peak_mb'] for one in of)} MB",
            totals[name],
            "none",
            True,
            unit="s",
        )
        for name, of in results.items()
    ]
    why = "ours is Python with NumPy, and parses JSON by way of Python objects, which the fastest does not make"
    rows.append(at_most(f"ours / the fastest, {fastest}", totals["ours"] / totals[fastest], BAR, why))
    exact = results["pycocotools"][0]["metrics"]
    for name in results:
        if name != "pycocotools":
            worst = max(abs(a - b) for one in results[name] for a, b in zip(one["metrics"], exact, strict=True))
            rows.append(holds(f"{name}: pycocotools' twelve metrics, to {EQUAL:g}", worst <= EQUAL, f"off by {worst}"))
    return rows


def _once(name: str, case: Case, python: Path) -> dict[str, Any]:
    own = name == "ours"
    done = subprocess.run(
        [sys.executable if own else python, _SCRIPT, name, case.annotations, case.detections],
        env={**os.environ, "PYTHONPATH": str(_PACKAGES) if own else ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr[-1000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
