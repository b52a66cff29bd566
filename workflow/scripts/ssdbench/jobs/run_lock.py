"""Tells the lock of a run that is going on from the one that a killed run left."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from contextlib import suppress
from pathlib import Path


def hold_run_lock(folder: Path) -> int | None:
    """Take the kernel's lock on a run, which ends with this process, and write down on which host it is held.

    Snakemake's own lock is a folder that outlives a killed run. Who gets the kernel's lock knows that no other run on
    this host is alive. Some network file systems keep such locks within a host, so the host is written down.

    Args:
        folder: Snakemake's folder, `.snakemake`.

    Returns:
        the descriptor that holds the lock; None if another process has it (of `make run`, the one that started this
        one), or if the file system has no such locks.
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
    if _owner(descriptor) in (b"", _host()) or not (folder / "locks").exists():
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _host(), 0)
    return descriptor


def clear_stale_lock(folder: Path) -> int | None:
    """Remove the lock that a killed Snakemake left in `folder`, unless a run may be going on there.

    Returns:
        as `hold_run_lock`.
    """
    descriptor = hold_run_lock(folder)
    if descriptor is not None and _owner(descriptor) == _host():
        with suppress(FileNotFoundError):
            shutil.rmtree(folder / "locks")
    return descriptor


def _owner(descriptor: int) -> bytes:
    return os.pread(descriptor, 256, 0)


def _host() -> bytes:
    return socket.gethostname().encode()
