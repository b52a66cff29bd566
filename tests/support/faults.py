"""Kills of a run and its jobs, and how one sees that nothing was lost and nothing half written."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import yaml
from PIL import Image

from ssdbench.files.hashing import sha256_file
from ssdbench.jobs.run_lock import clear_stale_lock
from support.project import Project

Victim = Literal["snakemake", "job", "child"]
VICTIMS: tuple[Victim, ...] = ("snakemake", "job", "child")


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder; folders that vanish meanwhile are passed over."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


class Sound:
    """Looks at every file under its final name in results/ and resources/ that changed since the last look.

    Names that begin with a dot and `.part` files are not final: they are how a file comes into being.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def faults(self, parts: Sequence[str] = ("results", "resources")) -> list[str]:
        """A sentence for each file that is not whole."""
        found = []
        for part in parts:
            for path in files_below(self._folder / part):
                if path.name.startswith(".") or path.suffix == ".part":
                    continue
                try:
                    if path.is_file() and (fault := self._changed_fault(path)):
                        found.append(f"{path.relative_to(self._folder)}: {fault}")
                except FileNotFoundError:
                    continue  # Snakemake removes the old outputs of a job before it starts
        return found

    def _changed_fault(self, path: Path) -> str:
        status = path.stat()
        key = (status.st_ino, status.st_size, status.st_mtime_ns)
        if self._seen.get(path) == key:
            return ""
        try:
            fault = _fault(path)
        except FileNotFoundError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a reader says of a half file
            fault = f"{type(error).__name__}: {error}"
        if not fault:
            self._seen[path] = key
        return fault


def _fault(path: Path) -> str:
    """What is wrong with a file, by its own kind's reader; "" if nothing is."""
    suffix, data = path.suffix, path.read_bytes()
    if suffix == ".json":
        document = json.loads(data)
        if path.name == "card.json" and document["status"] == "ok":
            same = sha256_file(path.parent / document["file"]) == document["sha256"]
            return "" if same else "its model file is another"
    elif suffix == ".npz":
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            for name in arrays:
                arrays[name]
    elif suffix in (".png", ".jpg"):
        Image.open(io.BytesIO(data)).load()
    elif suffix == ".yaml":
        yaml.safe_load(data)
    elif suffix == ".csv":
        rows = list(csv.reader(io.StringIO(data.decode())))
        return "" if data.endswith(b"\n") and len({len(row) for row in rows}) == 1 else "rows are missing"
    elif suffix == ".onnx":
        import onnx

        onnx.checker.check_model(onnx.load_from_string(data))
    elif suffix == ".tflite":
        from ai_edge_litert.interpreter import Interpreter

        Interpreter(model_content=data)
    elif suffix in (".html", ".svg"):
        return "" if data.rstrip().endswith((b"</html>", b"</svg>")) else "its end is missing"
    elif suffix in (".md", ".tex", ".txt"):
        return "" if data.endswith(b"\n") else "its end is missing"
    elif suffix in (".pb", ".bin", ".zip", ".tgz", ".gz") or "shard" in path.name:
        return "" if data else "empty"  # held to a checksum where they are fetched
    elif path.name != "all_cells_ok":
        return "a kind of file that nobody looks into"
    return ""


def accuracy_results(project: Project) -> dict[str, bytes]:
    """The detections and metrics of all cells."""
    folder = project.folder / "results"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for name in ("detections.json", "metrics.json")
        for path in sorted(folder.rglob(name))
    }


class Run:
    """Snakemake in a working copy, started as a user would and not waited for."""

    def __init__(self, project: Project, config: dict[str, Any], *arguments: str) -> None:
        self.project = project
        file = project.folder / "test_config.yaml"
        file.write_text(yaml.safe_dump(config))
        self._log = project.folder / "run.log"
        if (held := clear_stale_lock(project.folder / ".snakemake")) is not None:  # as `make run` does
            os.close(held)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments, "--cores", "2", "--configfile", str(file)],
                cwd=project.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, seconds: float = 600) -> int:
        """The exit code; below 0 where it was killed."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def output(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def is_going_on(self) -> bool:
        return self._process.poll() is None

    def finished_jobs(self) -> int:
        return self.output.count("Finished jobid:")

    def victims(self, kind: Victim) -> list[psutil.Process]:
        """The living processes of a kind: Snakemake itself, its jobs, or the children in which jobs run a runtime."""
        try:
            main = psutil.Process(self._process.pid)
            if kind == "snakemake":
                return [main]
            jobs = [p for p in main.children() if ".snakemake/scripts" in " ".join(p.cmdline())]
            return jobs if kind == "job" else [child for job in jobs for child in job.children()]
        except psutil.NoSuchProcess:
            return []

    def strike(self, kind: Victim, rng: random.Random, pause: float) -> bool:
        """After up to `pause` seconds kill -9 one of a kind; False where the run ended before."""
        time.sleep(rng.uniform(0, pause))
        while self.is_going_on():
            victims = self.victims(kind)
            if not victims:
                time.sleep(0.02)
                if self.victims(kind):
                    time.sleep(rng.uniform(0, 1))  # not always at the start of a job
                continue
            try:
                rng.choice(victims).kill()
            except psutil.NoSuchProcess:
                continue
            time.sleep(0.1)
            return True
        return False


@dataclass(eq=False)
class Kill:
    """One kill. outcome: `survived` (the runs went on to the end by themselves), `reported` (a run ended with exit
    code 1 and said so; a retry made it good), or `lost`."""

    victim: Victim
    outcome: str = "survived"
    note: str = ""


@dataclass
class Chain:
    """Runs of one matrix, one after the other, until all of it is made in spite of the kills."""

    project: Project
    config: dict[str, Any]
    expected: dict[str, bytes]
    sound: Sound
    kills: list[Kill] = field(default_factory=list)

    def go(self, victims: Sequence[Victim], rng: random.Random, pause: float) -> list[Kill]:
        """Kill these in turn while the matrix is made, then let it finish; as many kills as there was time for."""
        left, self.kills = list(victims), []
        for _ in range(3 * len(left) + 4):
            run, hit = Run(self.project, self.config), []
            while left and run.strike(left[0], rng, pause):
                hit.append(Kill(left.pop(0)))
                self.kills += hit[-1:]
                if hit[-1].victim == "snakemake":
                    run.wait()
                    time.sleep(0.2)
                if faults := self.sound.faults():
                    hit[-1].outcome, hit[-1].note = "lost", "; ".join(faults)
                if hit[-1].victim == "snakemake":
                    break
            code = run.wait()
            if code == 0:
                break
            if code > 0:
                self._reported(hit, run.output)
                self.project.script("forget_failed.py", "--configfile", "test_config.yaml")
        else:
            self._lost(f"no end after {3 * len(victims) + 4} runs: {run.output[-600:]}")
        if accuracy_results(self.project) != self.expected:
            self._lost("the accuracy results are others than those of an undisturbed run")
        if faults := self.sound.faults():
            self._lost("; ".join(faults))
        return self.kills

    def _reported(self, hit: list[Kill], output: str) -> None:
        said = "Error in rule" in output or "of the cells failed" in output
        # A killed child leaves a failed record, which may be reported by a later run than the one it was killed in.
        felt = [kill for kill in self.kills if kill.victim == "child" or (kill in hit and kill.victim == "job")]
        felt = [kill for kill in felt or self.kills if kill.victim != "snakemake" and kill.outcome == "survived"]
        if not felt:
            self._lost(f"a run failed that was not hit: {output[-600:]}")
        for kill in felt:
            kill.outcome, kill.note = ("reported", "") if said else ("lost", f"not said: {output[-600:]}")

    def _lost(self, note: str) -> None:
        for kill in self.kills[-1:] or [Kill("snakemake")]:
            kill.outcome, kill.note = "lost", note


class Watcher:
    """Looks at the files again and again while the block lasts; `faults` are those that it ever saw."""

    def __init__(self, folder: Path, every: float = 0.05) -> None:
        self._sound, self._every = Sound(folder), every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.faults: list[str] = []
        self.looks = 0

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(self._every):
            self.faults += self._sound.faults()
            self.looks += 1
