"""A clock that also knows for how long this process had work to do and no core to do it on."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from ssdbench.machine.linux_files import ROOT


class Moment(NamedTuple):
    """Nanoseconds: of the clock, of the process's work in all its threads, and of its threads' waiting for a core."""

    wall: int
    work: int
    waiting: int


class RunClock:
    """Reads all three in some microseconds; a context, because it holds a file open for each thread.

    The waiting is the kernel's (docs.kernel.org/scheduler/sched-stats.html, "/proc/<pid>/schedstat"); elsewhere than
    on Linux it is 0. Threads that begin later are not seen.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._tasks = root / "proc/self/task"
        self._files: list[int] = []

    def __enter__(self) -> RunClock:
        for path in self._tasks.glob("*/schedstat"):
            with suppress(OSError):
                self._files.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files:
            os.close(file)
        self._files = []

    def now(self) -> Moment:
        """The moment of the call."""
        waiting = 0
        for file in self._files:
            with suppress(OSError, IndexError, ValueError):  # a thread that has ended
                waiting += int(os.pread(file, 100, 0).split()[1])
        return Moment(time.perf_counter_ns(), time.process_time_ns(), waiting)


def held_up_ns(before: Moment, after: Moment, threads: int) -> float:
    """Of the time between two moments, how long the process stood still for want of a core.

    threads: how many ought to be at work at once. The mean over them, and only as far as they were not at work: of
    two threads that hand work to one another, one may wait for the core on which the other runs, which costs nothing.
    """
    idle = threads * (after.wall - before.wall) - (after.work - before.work)
    return max(0, min(after.waiting - before.waiting, idle)) / threads
