"""Runs work in a child process with limits, so that a crash, a hang or too much memory of native code gets a reason."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

import psutil

from ssdbench.errors import UserError, unexpected
from ssdbench.jobs.lifetime import end_with_parent
from ssdbench.machine.host import peak_rss_mb

_LOG = logging.getLogger(__name__)

# How often the child's memory is checked. A check takes some 50 microseconds, too little to disturb a timing.
_SECONDS_BETWEEN_LOOKS = 0.2

# The memory of a job besides its child: Snakemake twice and the script (330 MB measured on SLURM), and a margin for
# what the child takes between two checks.
_RESERVE_MB = 500
_TIME_SHARE = 0.9  # of the job's time; the rest is for its start and for writing the record


class OverLimit(UserError):
    """A child took too much memory or time and was ended. With more, it may succeed."""


@dataclass(frozen=True)
class Limits:
    """The limits of a child. They are below those of its job, so that the job can still say what happened.

    memory_mb: resident memory of the child and its own children, in MB; None: no limit.
    seconds: wall time.
    attempts_left: how often Snakemake will start the job again, with higher limits.
    """

    memory_mb: float | None
    seconds: float
    attempts_left: int = 0


def job_limits(resources: Mapping[str, Any]) -> Limits:
    """The limits that follow from a job's resources.

    Args:
        resources: `runtime` in minutes; `mem_mb` and `attempts_left` if they are set. A cluster profile sets
            `attempts_left`; without it a job is not started again.
    """
    memory = resources.get("mem_mb")
    return Limits(
        memory_mb=None if memory is None else max(float(memory) - _RESERVE_MB, float(memory) / 2),
        seconds=60 * float(resources["runtime"]) * _TIME_SHARE,
        attempts_left=int(resources.get("attempts_left", 0)),
    )


class Talk:
    """The child's end of its conversation with the process that started it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def receive(self) -> Any:
        """Wait for the next message."""
        return self._pipe.recv()

    def send(self, value: Any) -> None:
        """Answer with a value that can be pickled."""
        self._pipe.send(("value", value))


class LimitedChild:
    """A child process under limits that can be talked to.

    The child is forked: nothing has to be pickled but messages. What native code prints, and where in the Python
    code it crashed, goes to the log. Where the kernel runs out of memory it takes a child first.
    """

    def __init__(self, body: Callable[[Talk], None], limits: Limits, what: str) -> None:
        """Start `body` in a child. what: names it in sentences."""
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._limits, self._what = limits, what
        self._process = context.Process(target=_guarded, args=(body, theirs, what, os.getpid()))
        self._process.start()
        theirs.close()

    def send(self, message: Any) -> None:
        """Send a message; a child that has ended says so at the next `receive`."""
        with suppress(OSError):
            self._pipe.send(message)

    def receive(self, seconds: float | None = None) -> Any:
        """Wait for the child's next answer. seconds: for this one, where it is less than the child's limit.

        Raises:
            OverLimit: the child took more memory or time than its limits, or was killed by the kernel or someone else.
            UserError: the child crashed, or raised a UserError itself.
        """
        limits = self._limits if seconds is None else replace(self._limits, seconds=min(seconds, self._limits.seconds))
        try:
            _await_message(self._pipe, self._process.pid or 0, limits, self._what)
            kind, value = self._pipe.recv()
        except (EOFError, OSError):  # OSError: it was killed while it wrote
            self._process.join()
            raise death(self._what, self._process.exitcode) from None
        if kind == "memory":
            raise OverLimit(f"{self._what} ran out of memory.")
        if kind == "over":
            raise OverLimit(value)
        if kind == "error":
            raise UserError(value)
        return value

    def resident_mb(self) -> float:
        """Memory that the child holds now, in MB; 0 when it has ended."""
        return _resident_mb(self._process.pid or 0)

    def cpu_seconds(self) -> float:
        """CPU time that the child has taken so far; 0 when it has ended."""
        with suppress(psutil.Error):
            times = psutil.Process(self._process.pid or 0).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def check_memory(self) -> None:
        """Raise OverLimit where the child takes more memory than its limit."""
        _check_memory(self.resident_mb(), self._limits, self._what)

    def end(self) -> None:
        """Kill the child and what it started, if it has not ended."""
        _end(self._process.pid or 0)
        self._process.join()
        self._pipe.close()


def in_child(work: Callable[[], dict[str, Any]], limits: Limits, what: str) -> dict[str, Any]:
    """Run `work` in a child process under limits and return its record.

    Raises:
        OverLimit, UserError: as `LimitedChild.receive` does.
    """
    child = LimitedChild(lambda talk: talk.send(work()), limits, what)
    try:
        return dict(child.receive())
    finally:
        child.end()


def _await_message(receiver: Connection, child: int, limits: Limits, what: str) -> None:
    """Wait until the child has sent something or ended."""
    end = time.monotonic() + limits.seconds
    while not receiver.poll(max(0.0, min(_SECONDS_BETWEEN_LOOKS, end - time.monotonic()))):
        if time.monotonic() >= end:
            raise OverLimit(
                f"{what} took longer than its limit of {limits.seconds:g} s and was ended. If it needs longer, "
                "raise the rule's resource runtime (--set-resources RULE:runtime=MINUTES)."
            )
        if limits.memory_mb is not None:
            _check_memory(_resident_mb(child), limits, what)


def _check_memory(taken: float, limits: Limits, what: str) -> None:
    if limits.memory_mb is not None and taken > limits.memory_mb:
        raise OverLimit(
            f"{what} took {taken:.0f} MB of memory, more than its limit of {limits.memory_mb:g} MB, and was ended. "
            "If it needs more, raise the rule's resource mem_mb (--set-resources RULE:mem_mb=MB)."
        )


def _resident_mb(process: int) -> float:
    """The memory that a process and its children hold now, in MB; 0 if it has ended."""
    total = 0
    for one in _family(process):
        with suppress(psutil.Error):
            total += one.memory_info().rss
    return total / 2**20


def _end(process: int) -> None:
    """Kill a process, and its children too, which would outlive it."""
    for one in _family(process):
        with suppress(psutil.Error):
            one.kill()


def _family(process: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        top = psutil.Process(process)
        return [top, *top.children(recursive=True)]
    return []


def _guarded(body: Callable[[Talk], None], pipe: Connection, what: str, parent: int) -> None:
    """Run the body of a child; what it raises becomes its last message."""
    end_with_parent(parent)
    # Linux shares a core between sessions before it shares it between processes (sched_autogroup): in the session of
    # the run, two jobs would get a third of each core beside two busy loops that were started elsewhere, and not half.
    os.setsid()
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if (log := _log_stream()) is not None:
        faulthandler.enable(log)
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    message: tuple[str, Any] | None = None
    try:
        body(Talk(pipe))
    except OverLimit as error:
        message = ("over", str(error))
    except UserError as error:
        message = ("error", str(error))
    except MemoryError:
        _LOG.exception("out of memory")
        message = ("memory", None)
    except Exception as error:  # noqa: BLE001 - the parent turns it into the cell's reason
        _LOG.exception("unexpected error")
        message = ("error", unexpected(error))
    _LOG.info("%s took at most %.0f MB of memory.", what, peak_rss_mb())
    if message is not None:
        pipe.send(message)
    pipe.close()


def _log_stream() -> TextIO | None:
    """The log file that `start_log` opened, if it did."""
    return sys.stdout if sys.stdout is not sys.__stdout__ and hasattr(sys.stdout, "fileno") else None


def death(what: str, code: int | None) -> UserError:
    """The error of a process that ended without an answer. code: its exit code, or a signal's number, negative."""
    if code == -9:
        return OverLimit(
            f"{what} ended without a result: killed by signal 9. If nobody killed it, the machine or the job had "
            "no memory left."
        )
    return UserError(f"{what} ended without a result: {_exit(code)}.")


def _exit(code: int | None) -> str:
    return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
