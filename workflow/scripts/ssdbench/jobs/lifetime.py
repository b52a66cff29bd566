"""A job ends with the run that started it, however that ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent ends, for whatever reason. Does nothing outside Linux.

    So no process of a killed run works on beside the next run, or replaces its files. A killed process leaves no half
    files, because files appear by a rename.

    Args:
        parent: the process that started this one, if known: it may have ended before this call.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    now = os.getppid()
    if (parent is not None and now != parent) or (now == 1 and b"snakemake" not in _command(1)):
        os.kill(os.getpid(), signal.SIGKILL)


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
