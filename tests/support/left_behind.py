"""What tests leave behind: processes that still run and files in the temporary folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# Python's own helper of multiprocessing ends with the process that it serves.
OWN = "multiprocessing.resource_tracker"


@contextmanager
def own_temporary_folder(folder: Path) -> Iterator[None]:
    """TMPDIR is `folder` while the block lasts, for this process and all that it starts."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield
    finally:
        tempfile.tempdir = None
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before


def processes_left(folder: Path, patience: float = 5) -> list[str]:
    """The command lines of processes that were started with this TMPDIR, and of children, and that do not end."""
    found = {child.pid: child for child in psutil.Process().children(recursive=True)}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("TMPDIR") == str(folder):
                found[process.pid] = process
    _, alive = psutil.wait_procs(found.values(), timeout=patience)
    lines = []
    for process in alive:
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and OWN not in (line := " ".join(process.cmdline())):
                lines.append(line)
    return lines
