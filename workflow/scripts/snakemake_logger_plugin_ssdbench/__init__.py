"""What `make run` shows of a run: Snakemake's events, handed to the display. `--logger ssdbench` asks for it.

Snakemake finds a logger by its name, so this folder has to have this one.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from ssdbench.errors import STOPPED
from ssdbench.jobs.run_display import Job, RunDisplay

# What Snakemake says of a job that Ctrl-C ended: before it could see to it, or after.
_BY_CTRL_C = ("died with <Signals.SIGINT", f"returned non-zero exit status {STOPPED}")


class LogHandler(LogHandlerBase):
    """Shows one line of progress, a line for each thing worth knowing, and what went wrong."""

    def __post_init__(self) -> None:
        self._display = RunDisplay(sys.stderr)
        self._is_stopped = False

    def emit(self, record: logging.LogRecord) -> None:
        """Take one of Snakemake's events or messages."""
        event = getattr(record, "event", None)
        if event == LogEvent.RUN_INFO:
            jobs: Mapping[str, int] = record.stats  # type: ignore[attr-defined]
            self._display.begin({rule: number for rule, number in jobs.items() if rule != "total"})
        elif event == LogEvent.JOB_INFO:
            job = Job(
                record.rule_name,  # type: ignore[attr-defined]
                dict(getattr(record, "wildcards", None) or {}),
                tuple(map(Path, getattr(record, "output", None) or ())),
                tuple(map(Path, getattr(record, "log", None) or ())),
            )
            self._display.start(record.jobid, job)  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_FINISHED:
            self._display.finish(record.job_id)  # type: ignore[attr-defined]
        elif event == LogEvent.ERROR and any(words in record.getMessage() for words in _BY_CTRL_C):
            self._is_stopped = True  # the job whose end is said next
        elif event == LogEvent.JOB_ERROR:
            end = self._display.stop if self._is_stopped else self._display.fail
            end(record.jobid)  # type: ignore[attr-defined]
            self._is_stopped = False
        elif event == LogEvent.ERROR or (event is None and record.levelno >= logging.WARNING):
            self._display.say(record.getMessage())
        elif event is None and record.getMessage().startswith("Nothing to be done"):
            self._display.say("Nothing to be done: all results are there and up to date.")

    def close(self) -> None:
        """End the line of progress."""
        self._display.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """It takes the place of Snakemake's own output."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Snakemake's own log file stays as it is."""
        return False

    @property
    def has_filter(self) -> bool:
        """It chooses by itself what it shows."""
        return True

    @property
    def has_formatter(self) -> bool:
        """It writes its own sentences."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """It shows no graph."""
        return False
