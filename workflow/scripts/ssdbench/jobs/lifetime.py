"""What a killed run leaves behind: its jobs end with it, and its lock is known to be nobody's."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent ends, however it ends; on other systems than Linux nothing.

    So nothing of a killed run computes on beside the next one, or replaces files under it. What is killed leaves no
    half file: files appear by a rename.

    Args:
        parent: the process that started this one, where that is known: it may have ended before this call.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    now = os.getppid()
    if (parent is not None and now != parent) or (now == 1 and b"snakemake" not in _command(1)):
        os.kill(os.getpid(), signal.SIGKILL)


def clear_stale_lock(folder: Path) -> int | None:
    """Remove the lock that a killed Snakemake left in its folder `.snakemake`, if no run is going on there.

    Snakemake's own lock is a file that outlives it. The kernel's lock, which this process takes here and keeps until
    it ends, does not: who gets it knows that no other run on this host is alive. Some network file systems keep such
    locks within a host, so the lock of a run on another host is left to its owner.

    Returns:
        the descriptor that holds the lock; None where another run has it, or the file system has no such locks.
    """
    folder.mkdir(exist_ok=True)
    try:
        descriptor = os.open(folder / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    host = socket.gethostname().encode()
    if os.pread(descriptor, 256, 0) in (b"", host):
        with suppress(FileNotFoundError):
            shutil.rmtree(folder / "locks")
    if not (folder / "locks").exists():
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, host, 0)
    return descriptor


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
