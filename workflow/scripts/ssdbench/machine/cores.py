"""Which cores a measurement runs on, and holding processes to them."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ssdbench.machine.linux_files import ROOT, text_of


def choose_cores(count: int, root: Path = ROOT, leave: Collection[int] = ()) -> tuple[int, ...]:
    """`count` of the cores that this process may use, ascending; empty if there are not that many, or none can be told.

    The last ones, since interrupts and new processes land on the first more often; and no two halves of one core
    while there are whole ones. root: where sys is looked for. leave: cores that are not to be chosen.
    """
    if not hasattr(os, "sched_getaffinity"):
        return ()
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    if len(set(allowed) - set(leave)) < count:
        return ()
    siblings = {core: _siblings(core, root) for core in allowed}
    whole = [core for core in allowed if core == max(set(allowed) & siblings[core])]
    halves = [core for core in allowed if core not in whole]
    return tuple(sorted([core for core in [*whole, *halves] if core not in leave][:count]))


def pin(cores: tuple[int, ...]) -> None:
    """Hold this process with all its threads, and those that they start, to these cores; to any if there are none.

    Linux keeps the cores of each thread apart, so a library's threads that were there before have to be moved, too.
    """
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    for thread in [0, *(int(task.name) for task in Path("/proc/self/task").glob("*"))]:
        with suppress(OSError):  # a thread that has just ended
            os.sched_setaffinity(thread, cores)


def _siblings(core: int, root: Path) -> set[int]:
    """The halves of the core that one of them belongs to, itself among them."""
    text = text_of(root / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list") or ""
    found = {core}
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found |= set(range(int(first), int(last or first) + 1))
    return found
