"""The kernel's counters: whose work kept the cores busy, and what held this process back.

All systems count the times of the cores; only Linux counts the rest. What a machine does not count is left out.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ssdbench.machine.linux_files import ROOT, cgroup_folders, text_of


@dataclass(frozen=True)
class Reading:
    """The counters at one moment; the difference of two readings is what happened in between.

    wall, busy, steal, own: seconds: of the clock; that all cores worked; that the hypervisor took away; that this
    process worked. waiting: seconds that each thread of this process was ready to run but had no core, by thread id
    (docs.kernel.org/scheduler/sched-stats.html, "/proc/<pid>/schedstat"). throttled: seconds that the CPU limit of
    each control group stopped its processes, by folder (docs.kernel.org/admin-guide/cgroup-v2.html, "cpu.stat").
    hot: how often each core and processor has slowed down because of heat, by file.
    """

    wall: float
    busy: float
    steal: float
    own: float
    waiting: Mapping[str, float]
    throttled: Mapping[str, float]
    hot: Mapping[str, float]


def read_counters(root: Path = ROOT) -> Reading:
    """Read all counters now. root: the folder that holds proc and sys."""
    times = psutil.cpu_times()
    return Reading(
        wall=time.perf_counter(),
        busy=sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")),
        steal=getattr(times, "steal", 0.0),
        own=time.process_time(),
        waiting=_waiting(root),
        throttled=_throttled(root),
        hot=_hot(root),
    )


def load_between(before: Reading, after: Reading, of_children: float = 0.0) -> dict[str, float]:
    """What happened between two readings, in cores: CPU time divided by wall time.

    of_children: CPU seconds that this process's children took meanwhile, which count as its own.

    Returns:
        load_average: of the last minute. own_cores, other_cores: the work of this process, and of all others.
        steal_cores: what the hypervisor took away. If the kernel counts them, also waiting_cores: the mean number of
        threads of this process that were ready but had no core; throttled_cores: what the CPU limit of a container
        held back; heat_throttles: how often the processor slowed down because of heat.
    """
    wall = max(after.wall - before.wall, 1e-9)
    own = after.own - before.own + of_children
    load = {
        "load_average": round(os.getloadavg()[0], 2),
        "own_cores": round(own / wall, 3),
        "other_cores": round(max(0.0, after.busy - before.busy - own) / wall, 3),
        "steal_cores": round(max(0.0, after.steal - before.steal) / wall, 3),
    }
    if any(after.waiting.values()):  # a kernel that does not count this always says 0
        load["waiting_cores"] = round(sum(_grown(before.waiting, after.waiting)) / wall, 3)
    if after.throttled:
        load["throttled_cores"] = round(max(_grown(before.throttled, after.throttled)) / wall, 3)
    if after.hot:
        load["heat_throttles"] = max(_grown(before.hot, after.hot))
    return load


def watch_threads(call: Callable[[], object], seconds: float = 0.5) -> dict[str, Any]:
    """Repeat `call` for about `seconds`, and measure how many threads really work.

    Returns:
        cores_used: CPU time divided by wall time: the mean number of threads at work at once. Other processes can
        only lower it. threads_seen: cores_used as a whole number. threads_at_work: the threads of this process that
        worked at least 5 % of the time each; threads that take turns all count.
    """
    process = psutil.Process()
    before = _thread_seconds(process)
    cpu, wall = time.process_time(), time.perf_counter()
    while (elapsed := time.perf_counter() - wall) < seconds:
        call()
    used = (time.process_time() - cpu) / elapsed
    worked = [spent - before.get(thread, 0.0) for thread, spent in _thread_seconds(process).items()]
    return {
        "cores_used": round(used, 2),
        "threads_seen": max(1, math.ceil(used - 0.2)),  # a fifth of a core is the runtime's own bookkeeping
        "threads_at_work": sum(spent >= 0.05 * elapsed for spent in worked),
    }


def _waiting(root: Path) -> dict[str, float]:
    """Each file holds nanoseconds run, nanoseconds waited, and the number of turns."""
    fields = {path.parent.name: _numbers(path) for path in (root / "proc/self/task").glob("*/schedstat")}
    return {thread: numbers[1] / 1e9 for thread, numbers in fields.items() if len(numbers) == 3}


def _throttled(root: Path) -> dict[str, float]:
    """Version 2 counts microseconds as throttled_usec, version 1 nanoseconds as throttled_time."""
    found = {}
    for folder in cgroup_folders(root, "cpu"):
        lines = (line.split() for line in (text_of(folder / "cpu.stat") or "").splitlines())
        stated = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}
        for key, unit in (("throttled_usec", 1e6), ("throttled_time", 1e9)):
            if key in stated:
                found[str(folder)] = stated[key] / unit
    return found


def _hot(root: Path) -> dict[str, float]:
    files = (root / "sys/devices/system/cpu").glob("cpu*/thermal_throttle/*throttle_count")
    counts = {str(file): _numbers(file) for file in files}
    return {file: numbers[0] for file, numbers in counts.items() if len(numbers) == 1}


def _numbers(path: Path) -> list[int]:
    """The numbers in a file; an empty list if it holds anything else or could not be read."""
    words = (text_of(path) or "").split()
    return [int(word) for word in words] if all(word.isdigit() for word in words) else []


def _grown(before: Mapping[str, float], after: Mapping[str, float]) -> list[float]:
    """How much each counter has grown; a new counter began at 0."""
    return [max(0.0, value - before.get(name, 0.0)) for name, value in after.items()]


def _thread_seconds(process: psutil.Process) -> dict[int, float]:
    return {thread.id: thread.user_time + thread.system_time for thread in process.threads()}
