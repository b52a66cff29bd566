"""How far timings of the same cells lie apart: the medians in ms, and the speeds relative to the reference."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from measuring.table import Measurement, Row
from ssdbench.errors import UserError
from ssdbench.files.reading import read_json
from ssdbench.plan.command_line import ROOT, plan_of
from ssdbench.report.words import cell_name

BAR = 4.0  # per cent
_KEPT = ("latency_p50_ms", "speed", "speed_low", "speed_high", "rounds", "cycles", "pace")


def measure_speeds(config: Mapping[str, Any], times: int, folder: Path) -> Measurement:
    """Time the default matrix, with `config` merged into it, this often, each time all rounds anew."""
    configfile = folder / "bench.yaml"
    configfile.write_text(yaml.safe_dump({**config, "results_dir": "results_bench"}))
    plan = plan_of([configfile], [])
    files = {cell_name(vars(cell)): plan.file(cell, "timing.json") for cell in plan.supported}
    runs = []
    for number in range(times):
        print(f"Timing {number + 1} of {times}", file=sys.stderr, flush=True)
        _time(list(files.values()), configfile)
        runs.append({name: read_json(ROOT / file) for name, file in files.items()})
    rows = [row for name in files if (row := _row(name, [run[name] for run in runs]))]
    raw = {name: [{key: run[name].get(key) for key in _KEPT} for run in runs] for name in files}
    return Measurement(
        "How far timings lie apart",
        f"{times} timings of the same cells, each with all its rounds in fresh processes. Stated is how far the "
        "largest speed relative to the reference lies above the smallest, and beside it the same of the medians in ms.",
        rows,
        {"cells": raw, "machine": [run[next(iter(files))].get("machine") for run in runs]},
    )


def apart(values: Sequence[float]) -> float:
    """By how many per cent the largest value lies above the smallest."""
    return 100 * (max(values) / min(values) - 1)


def _row(name: str, runs: Sequence[Mapping[str, Any]]) -> Row | None:
    """One cell's row; None for the reference, whose speed is 1, and for a cell that was not timed each time."""
    if any(run.get("speed") is None or run["speed_verdict"] == "reference" for run in runs):
        return None
    speeds = apart([run["speed"] for run in runs])
    medians = apart([run["latency_p50_ms"] for run in runs])
    why = f"its medians in ms lie {medians:.1f} % apart"
    return Row(f"{name}: speeds apart", speeds, f"at most {BAR:g} %", speeds <= BAR, why, "%")


def _time(files: Sequence[str], configfile: Path) -> None:
    command = [sys.executable, "-m", "snakemake", *files, "--cores", "all", "--configfile", str(configfile)]
    command += ["--forcerun", "time_inference"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"The timing failed: {(done.stdout + done.stderr)[-2000:]}")
