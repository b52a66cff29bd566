"""What a person sees of a run: a line of progress, and a line for each thing worth knowing."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

# Rough seconds of the jobs that take more than a few, until one of the same rule has ended: for the time left only.
_SECONDS = {"time_inference": 40.0, "quantise_model": 40.0, "convert_model": 15.0, "detect_objects": 5.0}
_SECONDS_OF_OTHERS = 2.0

# What a job does, in the words that the line of progress has for it.
_DOING = {
    "compose_sample": "composing the sample",
    "fetch_model": "fetching the model",
    "download_annotations": "downloading annotations",
    "fetch_images": "fetching images",
    "list_images": "checking images",
    "fetch_calibration": "fetching calibration images",
    "choose_calibration": "choosing calibration images",
    "convert_model": "converting",
    "quantise_model": "quantising",
    "batch_model": "converting for batches",
    "detect_objects": "detecting",
    "evaluate_detections": "evaluating",
    "draw_replicates": "drawing the bootstrap",
    "compare_with_reference": "comparing with the reference",
    "diagnose_cell": "diagnosing",
    "time_inference": "timing",
    "combine_rounds": "combining the rounds",
    "collect_run": "collecting the results",
    "build_report": "writing the report",
}
# Steps whose end is worth a line of its own.
_MILESTONES = {"compose_sample": "composed the sample", "fetch_model": "fetched the model {model}"}
# Steps that may say what is unusual in what a user gave.
_NOTED = ("list_images", "fetch_images", "evaluate_detections")
# In a pipe, a line of progress at each of these shares of the work.
_STEP_OF_PLAIN_LINES = 0.1


@dataclass(frozen=True)
class Job:
    """A job of the workflow: its rule, the words of its wildcards, the files that it makes, its logs."""

    rule: str
    wildcards: Mapping[str, str]
    output: Sequence[Path]
    log: Sequence[Path]

    @property
    def what(self) -> str:
        """What it does and of which cell, in a few words."""
        words = [self.wildcards[key] for key in ("framework", "precision", "setting") if key in self.wildcards]
        if "round" in self.wildcards:
            words.append(f"round {self.wildcards['round']}")
        kind = self.rule.partition("-")[0]  # a rule that there is several times has more words after it
        return " ".join([_DOING.get(kind, kind.replace("_", " ")), *words])


class RunDisplay:
    """Follows the jobs of a run, and writes to a terminal or, in plain lines, to a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[Any] | None = None
        self._running: dict[int, tuple[Job, float]] = {}
        self._waiting: Counter[str] = Counter()
        self._took: defaultdict[str, list[float]] = defaultdict(list)
        self._total = self._done = 0
        self._next_line = 0.0
        self._reported: set[tuple[str, str]] = set()

    def begin(self, jobs: Mapping[str, int]) -> None:
        """Jobs to be done, by rule; after a checkpoint there are more."""
        self._waiting = Counter(jobs)
        self._total, self._done = sum(jobs.values()), 0
        if self._bar is None and self._stream.isatty():
            self._bar = tqdm(total=self._total, file=self._stream, bar_format="{desc}", leave=False)
        self._show()

    def start(self, number: int, job: Job) -> None:
        """A job was started."""
        self._running[number] = (job, time.monotonic())
        self._show()

    def finish(self, number: int) -> None:
        """A job ended well; its records may still say that its step failed."""
        job, started = self._running.pop(number, (None, 0.0))
        self._done += 1
        if job is not None:
            self._waiting[job.rule] -= 1
            self._took[job.rule].append(time.monotonic() - started)
            if job.rule in _MILESTONES:
                self.say(_MILESTONES[job.rule].format(**job.wildcards))
            for output in job.output:
                self._report_failure(job, output)
                self._report_notes(job, output)
        self._show()

    def fail(self, number: int) -> None:
        """A job ended without a result."""
        job, _ = self._running.pop(number, (None, 0.0))
        if job is not None:
            self.say(f"failed: {job.what}. {_last_error(job.log)}(log: {', '.join(map(str, job.log)) or 'none'})")
        self._show()

    def stop(self, number: int) -> None:
        """A job was ended by Ctrl-C."""
        job, _ = self._running.pop(number, (None, 0.0))
        if job is not None:
            self.say(f"stopped: {job.what}")
        self._show()

    def say(self, sentence: str) -> None:
        """Write a line above the line of progress."""
        if self._bar is not None:
            self._bar.write(sentence, file=self._stream)
        else:
            print(sentence, file=self._stream, flush=True)

    def close(self) -> None:
        """End the line of progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def seconds_left(self) -> float:
        """Rough, from how long jobs of the same rules took so far in this run, on as many cores as are busy now."""
        now = time.monotonic()
        waiting = sum(number * self._seconds_of(rule) for rule, number in self._waiting.items())
        running = sum(min(now - started, self._seconds_of(job.rule)) for job, started in self._running.values())
        return max(0.0, waiting - running) / max(1, len(self._running))

    def _seconds_of(self, rule: str) -> float:
        took = self._took[rule]
        return sum(took) / len(took) if took else _SECONDS.get(rule, _SECONDS_OF_OTHERS)

    def _show(self) -> None:
        now = ", ".join(dict.fromkeys(job.what for job, _ in self._running.values()))
        left = self.seconds_left()
        text = f"{self._done} of {self._total} steps done"
        if self._done < self._total:
            text += f", about {max(1, round(left / 60))} min left" + (f"; now {now}" if now else "")
        if self._bar is not None:
            self._bar.set_description_str(text[: self._bar.ncols or 110])
        elif self._total and (self._done == self._total or self._done / self._total >= self._next_line):
            self._next_line = self._done / self._total + _STEP_OF_PLAIN_LINES
            self.say(text)

    def _report_failure(self, job: Job, output: Path) -> None:
        """A line for a step that failed, once for all steps that failed with the same reason from the same log."""
        if job.rule in ("collect_run", "build_report"):
            return
        record = _record(output / "card.json" if output.is_dir() else output)
        if record.get("status") != "failed":
            return
        reason, log = str(record.get("reason", "")), str(record.get("log", ""))
        if (cause := (log, reason.rpartition(": ")[2])) not in self._reported:
            self._reported.add(cause)
            self.say(f"failed: {job.what}: {reason} (log: {log})")

    def _report_notes(self, job: Job, output: Path) -> None:
        """A line for each note on images, annotations and classes, once for all cells that it is of."""
        if job.rule not in _NOTED:
            return
        for note in _record(output).get("notes") or []:
            if ("note", str(note)) not in self._reported:
                self._reported.add(("note", str(note)))
                self.say(f"note: {note}")


def _record(file: Path) -> Mapping[str, Any]:
    """What a JSON file that a job made holds; empty if it is of another kind or cannot be read."""
    if file.suffix != ".json":
        return {}
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _last_error(logs: Sequence[Path]) -> str:
    """The last error that a job's logs hold, as a sentence and a space; empty if there is none."""
    for log in logs:
        try:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        errors = [line.split(" ERROR ", 1)[1] for line in lines if " ERROR " in line]
        if errors:
            return f"{errors[-1]} "
    return ""
