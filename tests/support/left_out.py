"""Tests that this machine cannot run: each says why and how to bring it, and the end of a run lists them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import NoReturn

import pytest

BRING = " To run: "
# What a marker leaves out, and the command that runs it; the first that fits counts.
MARKED = {
    "full": ("a cluster, kills, real images, published rows, memory or fuzzing", "make test-full"),
    "alone": ("the machine to itself", "make test-full"),
    "slow": ("conversions or whole runs", "make test"),
}


def leave_out(missing: str, command: str, *, even_in_ci: bool = False) -> NoReturn:
    """Skip the test that asks, since `missing` is missing and `command` brings it.

    In CI (CI is set) the test fails instead: CI installs every program. even_in_ci: skip there too.
    """
    sentence = f"{missing}.{BRING}{command}"
    if os.environ.get("CI") and not even_in_ci:
        pytest.fail(sentence)
    pytest.skip(sentence)


def deselected_by_marker(items: Iterable[pytest.Item]) -> Counter[str]:
    """How many of these tests each marker of MARKED leaves out."""
    return Counter(next((name for name in MARKED if item.get_closest_marker(name)), "") for item in items)


def listing(skipped: Iterable[str], deselected: Counter[str]) -> list[str]:
    """The lines of the list: one for each reason, with the number of its tests and the command."""
    lines = []
    for reason, count in sorted(Counter(skipped).items()):
        said, _, command = reason.removeprefix("Skipped: ").partition(BRING)
        lines.append(_line(count, said.rstrip("."), command))
    for name, (said, command) in MARKED.items():
        if deselected[name]:
            lines.append(_line(deselected[name], f"need {said}" if deselected[name] > 1 else f"needs {said}", command))
    return lines


def _line(count: int, said: str, command: str) -> str:
    return f"{count} test{'s' if count > 1 else ''}: {said}" + (f". To run: {command}" if command else "")
