"""What was measured, as rows with a bar, and as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate


@dataclass(frozen=True)
class Row:
    """One measured figure and its bar.

    what: in words. value: the figure, None for a claim that holds or not. unit: "" for a ratio. bar: what is wanted, in
    words. reached: whether it is. why: a sentence on what stands in the way, or on what the figure means.
    """

    what: str
    value: float | None
    bar: str
    reached: bool
    why: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Measurement:
    """One part of the benchmark: a title, how it was measured, its rows, and every number behind them."""

    title: str
    how: str
    rows: Sequence[Row]
    raw: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A measurement as it is kept: when and where it was made, and by which command."""

    day: str
    machine: str
    command: str
    measurement: Measurement


def at_least(what: str, value: float, bar: float, why: str = "") -> Row:
    """A row of a ratio that should be at least `bar`; `why` is kept only where it is not."""
    reached = value >= bar
    return Row(what, value, f"at least {bar:g}", reached, "" if reached else why)


def at_most(what: str, value: float, bar: float, why: str = "", unit: str = "") -> Row:
    """A row of a figure that should be at most `bar`; `why` is kept only where it is not."""
    reached = value <= bar
    return Row(what, value, f"at most {bar:g}{f' {unit}' if unit else ''}", reached, "" if reached else why, unit)


def holds(what: str, claim: bool, why: str = "") -> Row:
    """A row of something that must hold exactly."""
    return Row(what, None, "equal", claim, "" if claim else why)


def page(entries: Sequence[Entry]) -> str:
    """All measurements as Markdown."""
    parts = [
        "# What `make bench` measured",
        "Every ratio is of two things measured in turn in the same run, so that the machine's speed cancels out; each "
        "is the median over the rounds. Absolute numbers, round by round, are in [results.json](results.json). Parts "
        "can be measured one by one: each says when, where and by which command.",
    ]
    for entry in entries:
        measured = entry.measurement
        cells = [[row.what, _shown(row), row.bar, "yes" if row.reached else "**no**", row.why] for row in measured.rows]
        table = tabulate(cells, ["what", "measured", "bar", "reached", "why"], tablefmt="github", disable_numparse=True)
        origin = f"{entry.day}, `{entry.command}`, {entry.machine}."
        parts += [f"## {measured.title}", origin, measured.how, table]
    return "\n\n".join(parts) + "\n"


def _shown(row: Row) -> str:
    if row.value is None:
        return "equal" if row.reached else "not equal"
    return f"{row.value:#.3g}{f' {row.unit}' if row.unit else ''}"
