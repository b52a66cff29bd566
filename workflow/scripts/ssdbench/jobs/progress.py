"""Progress of long work: a plain line every few seconds in a log, or a bar on a terminal where nothing is logged."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

_LOG = logging.getLogger(__name__)
_SECONDS_BETWEEN_LINES = 5.0

T = TypeVar("T")


class Progress:
    """Counts work done against a total.

    Where logging is set up, as in every job of the workflow, it writes lines to the log and nothing else: jobs
    run side by side, and their bars would overwrite one another on the terminal they share. A script that was
    started by hand sets up no logging; it draws tqdm's bar on a terminal, or writes the lines to stderr.
    """

    def __init__(self, label: str, total: int | None, unit: str = "images") -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0
        self._last_line = time.monotonic()
        self._is_logged = _LOG.hasHandlers()
        has_bar = sys.stderr.isatty() and not self._is_logged
        self._bar = tqdm(total=total, desc=label, unit=f" {unit}", unit_scale=unit == "B") if has_bar else None

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
                print(line, file=sys.stderr)

    def close(self) -> None:
        """End the bar, where there is one."""
        if self._bar is not None:
            self._bar.close()


def track(items: Iterable[T], label: str, total: int | None = None, unit: str = "images") -> Iterator[T]:
    """Yield `items` and report each as done once the consumer comes back for the next one."""
    progress = Progress(label, total, unit)
    try:
        for item in items:
            yield item
            progress.advance()
    finally:
        progress.close()
