"""What native code writes to stderr, kept away from the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def native_output_to(log: Path | None) -> Iterator[TextIO]:
    """Send what this process writes to file descriptor 2, by whatever library, to the end of a file, or nowhere.

    Python's own sys.stderr is flushed on both ends, and comes back with the descriptor.

    Yields:
        what sys.stderr was, for what the user is to see meanwhile.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    target = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.dup2(target, 2)
        with os.fdopen(os.dup(terminal), "w", buffering=1) as shown:
            yield shown
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(target)
        os.close(terminal)
