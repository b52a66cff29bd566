"""A copy of the project in a folder of its own, and Snakemake run in it as a user would."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "Makefile", "config.yaml", "pyproject.toml", "workflow", "profiles", "presets", "envs", "bench")


@dataclass(frozen=True)
class Project:
    """A working copy at `folder`."""

    folder: Path

    @classmethod
    def copy_to(cls, folder: Path) -> Project:
        """Copy what a run needs to `folder`."""
        folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / part)
        return cls(folder)

    def run(
        self, *arguments: str, config: dict[str, Any] | None = None, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run snakemake on two cores with these arguments; `config` is given as a --configfile."""
        extra = []
        if config is not None:
            file = self.folder / "test_config.yaml"
            file.write_text(yaml.safe_dump(config))
            extra = ["--configfile", str(file)]
        return self._start([sys.executable, "-m", "snakemake", *arguments, "--cores", "2", *extra], environment)

    def script(
        self, name: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the scripts that are started by hand."""
        return self._start([sys.executable, f"workflow/scripts/{name}", *arguments], environment)

    def dry_run(
        self, *arguments: str, config: dict[str, Any] | None = None, environment: dict[str, str] | None = None
    ) -> dict[str, int]:
        """How many jobs of each rule a run would have."""
        done = self.run(*arguments, "--dry-run", config=config, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return job_counts(done.stdout + done.stderr)

    def summary(self, tag: str, results: str = "results") -> dict[tuple[str, ...], dict[str, str]]:
        """The rows of a tag's summary.csv by (model, protocol, framework, precision)."""
        with (self.folder / results / tag / "summary.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        return {(row["model"], row["protocol"], row["framework"], row["precision"]): row for row in rows}

    def json(self, path: str) -> Any:
        """A JSON file of the working copy."""
        return json.loads((self.folder / path).read_text())

    def _start(self, command: list[str], environment: dict[str, str] | None) -> subprocess.CompletedProcess[str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("COCO_")}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**inherited, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=1800,
        )


def job_counts(output: str) -> dict[str, int]:
    """The table that Snakemake prints under `Job stats`, without `all` and `total`."""
    counts: dict[str, int] = {}
    lines = iter(output.splitlines())
    for line in lines:
        if line.startswith("Job stats"):
            next(lines), next(lines)
            break
    for line in lines:
        words = line.split()
        if len(words) != 2 or not words[1].isdigit():
            break
        if words[0] not in ("all", "total"):
            counts[words[0]] = int(words[1])
    return counts
