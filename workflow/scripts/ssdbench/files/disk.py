"""What a disk does to a writer: other processes at the same file, too little room, refused writes."""

from __future__ import annotations

import errno
import fcntl
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssdbench.errors import UserError

_LOG = logging.getLogger(__name__)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` for one writer: wait while another process or thread holds it, let go at the end.

    The lock is the kernel's, on the neighbour `.<name>.lock`, which stays: a killed holder lets go of it by
    dying, so there is nothing stale to clean up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info("Another process is at %s: waiting for it.", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Turn a disk that is full while `path` is written into a sentence; other errors pass.

    Raises:
        UserError: there is no room.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise UserError(f"{path} cannot be written: the disk is full. Free some room, run again.") from error
        raise


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what the disk refuses while `path` is written into a sentence.

    Raises:
        UserError: there is no room, no permission, or another fault of the disk.
    """
    try:
        with full_disk(path):
            yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}. Make its folder writable and run again."
        ) from error


def require_room(folder: Path, needed: int, purpose: str) -> None:
    """Check that `folder`'s disk has `needed` bytes free.

    Raises:
        UserError: it has less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{purpose} needs {megabytes(needed)} in {folder}, but its disk has {megabytes(free)} free. "
            "Free some room and run again."
        )


def megabytes(size: int) -> str:
    """`size` bytes in words, e.g. `815.6 MB` (1 MB = 10^6 bytes)."""
    return f"{size / 1e6:.1f} MB"
