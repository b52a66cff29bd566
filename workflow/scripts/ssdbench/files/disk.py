"""What can go wrong when a file is written: another process writes it, the disk is full, the disk refuses."""

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
    """Lock `path` for one writer: wait while another process or thread holds the lock, release it at the end.

    The lock is the kernel's, on the file `.<name>.lock` beside `path`, which stays. The kernel releases the lock when
    its holder ends, even if it is killed, so no stale lock has to be cleaned up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info("Another process is writing %s: waiting for it.", path)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Turn the error of a full disk, raised while `path` is written, into a UserError; let other errors pass.

    Raises:
        UserError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise UserError(f"{path} cannot be written: the disk is full. Free some space and run again.") from error
        raise


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk, raised while `path` is written, into a UserError.

    Raises:
        UserError: the disk is full, writing is not permitted, or the disk failed otherwise.
    """
    try:
        with full_disk(path):
            yield
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}. Make its folder writable and run again."
        ) from error


def require_room(folder: Path, needed: int, purpose: str) -> None:
    """Check that the disk of `folder` has `needed` bytes free.

    Raises:
        UserError: it has less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{purpose} needs {megabytes(needed)} in {folder}, but its disk has {megabytes(free)} free. "
            "Free some space and run again."
        )


def megabytes(size: int) -> str:
    """A number of bytes as text, e.g. `815.6 MB` (1 MB = 10^6 bytes)."""
    return f"{size / 1e6:.1f} MB"
