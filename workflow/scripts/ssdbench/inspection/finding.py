"""One fact about a model file, and what it was told by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STATED = "stated"


@dataclass(frozen=True)
class Finding:
    """A value and how it is known: `stated`, or `found by ...`."""

    value: Any
    how: str


@dataclass(frozen=True)
class Missing:
    """A key that must be set, because the file does not tell: why, and its values."""

    key: str
    why: str


Answer = Finding | Missing


def describe(findings: Mapping[str, Finding]) -> list[str]:
    """A line for each finding: `box_form: corners, found by ...`."""
    return [f"{key}: {finding.value}, {finding.how}" for key, finding in findings.items()]
