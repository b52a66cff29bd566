"""What Snakemake and Python cost: the time of a whole run of the default matrix against the work done in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from measuring.table import Measurement, at_most
from ssdbench.errors import UserError
from ssdbench.plan.command_line import ROOT

BAR = 1.25
_PARTS = ("Snakefile", "config.yaml", "workflow", "profiles", "envs")
_TOOK = re.compile(r"^(\S+ \S+),(\d+) INFO the work took (\d+\.\d+) s$", re.MULTILINE)
Span = tuple[float, float]


def measure_overhead(config: Mapping[str, Any]) -> Measurement:
    """Run the default matrix, with `config` merged into it, in a copy of the project whose downloads are there."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "project")
        _copy(copy)
        configfile = copy / "bench.yaml"
        configfile.write_text(yaml.safe_dump(dict(config)))
        _snakemake(copy, "fetch", configfile)
        shutil.rmtree(copy / "logs")
        start = time.perf_counter()
        _snakemake(copy, "all", configfile)
        seconds = time.perf_counter() - start
        spans = read_spans(copy / "logs")
    work = sum(end - begin for of_rule in spans.values() for begin, end in of_rule)
    busy = covered([span for of_rule in spans.values() for span in of_rule])
    by_rule = {
        rule: {"jobs": len(of_rule), "seconds": round(sum(end - begin for begin, end in of_rule), 3)}
        for rule, of_rule in sorted(spans.items())
    }
    jobs = sum(len(of_rule) for of_rule in spans.values())
    why = f"{jobs} jobs each start Python and are booked by Snakemake, which also starts and plans once"
    return Measurement(
        "What Snakemake and Python cost",
        "A run of the default matrix on all cores in a fresh copy of the project, once everything is fetched: "
        "conversion, detection, evaluation, timing, report. Useful work is what the scripts spend from the first line "
        "of their work to the last, frameworks that they load included; each log ends with it. The rest is Snakemake, "
        "starting Python and importing what every job imports. Jobs run side by side, so the time in which at least "
        "one of them works is given, too: it is the stricter one.",
        [
            at_most("whole run / sum of the useful work", seconds / work, BAR, why),
            at_most("whole run / time with useful work going on", seconds / busy, BAR, why),
        ],
        {"run_seconds": seconds, "work_seconds": work, "busy_seconds": busy, "rules": by_rule},
    )


def read_spans(logs: Path) -> dict[str, list[Span]]:
    """When each job of a run worked, by rule: seconds since the epoch of its first and last line of work."""
    spans: dict[str, list[Span]] = defaultdict(list)
    for file in sorted(logs.rglob("*.log")):
        for day, thousandths, took in _TOOK.findall(file.read_text(encoding="utf-8", errors="replace"))[-1:]:
            end = datetime.strptime(day, "%Y-%m-%d %H:%M:%S").timestamp() + int(thousandths) / 1000
            spans[file.stem.split("-")[0]].append((end - float(took), end))
    return dict(spans)


def covered(spans: Sequence[Span]) -> float:
    """The length of the union of spans."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _copy(folder: Path) -> None:
    """The project without results, with the downloads that it has."""
    folder.mkdir()
    for part in _PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / part)
    for source in sorted((ROOT / "resources/models").glob("*/source")):
        shutil.copytree(source, folder / source.relative_to(ROOT))


def _snakemake(folder: Path, target: str, configfile: Path) -> None:
    command = [sys.executable, "-m", "snakemake", target, "--cores", "all", "--configfile", str(configfile)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"The run of the default matrix failed: {(done.stdout + done.stderr)[-2000:]}")
