"""Shows the progress of long work: as lines in the log, or as a bar on the terminal if there is no log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from tqdm import tqdm

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 5.0

T = TypeVar("T")


class Progress:
    """Counts the work that is done, out of a total.

    If logging is set up, as in every job of the workflow, it writes a line to the log every few seconds: jobs run side
    by side, and their bars would overwrite one another on the terminal. A script that is started by hand does not set
    up logging; then it draws a bar on a terminal, or else writes the lines to stderr (or `stream` in its place).
    """

    def __init__(self, label: str, total: int | None, unit: str = "images", stream: TextIO | None = None) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0
        self._last_line = time.monotonic()
        self._is_logged = _LOG.hasHandlers()
        self._stream = stream or sys.stderr
        has_bar = self._stream.isatty() and not self._is_logged
        self._bar = None
        if has_bar:
            self._bar = tqdm(total=total, desc=label, unit=f" {unit}", unit_scale=unit == "B", file=self._stream)

    def advance(self, amount: int = 1) -> None:
        """Report `amount` more units as done."""
        self._done += amount
        if self._bar is not None:
            self._bar.update(amount)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            of = f" of {self._total}" if self._total else ""
            line = f"{self._label}: {self._done}{of} {self._unit}"
            if self._is_logged:
                _LOG.info("%s", line)
            else:
                print(line, file=self._stream)

    def close(self) -> None:
        """End the bar, if there is one."""
        if self._bar is not None:
            self._bar.close()


def track(items: Iterable[T], label: str, total: int | None = None, unit: str = "images") -> Iterator[T]:
    """Yield `items`, and count each as done when the next one is asked for."""
    progress = Progress(label, total, unit)
    try:
        for item in items:
            yield item
            progress.advance()
    finally:
        progress.close()
