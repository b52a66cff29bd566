"""The notes of a summary row: what a reader must know before believing its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import cell_name, count, listed

SAMPLE_NOTE = (
    "This is the embedded sample, not COCO. Its scenes are composed from a few free photographs, so they "
    "depend on one another: no cell gets a verdict, and no AP here may be set beside a published one."
)


def mark_notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What provenance (`marks`) and evaluation (`notes`) say of rows, each sentence once with the cells it is of."""
    cells: dict[str, list[str]] = {}
    for row in rows:
        for sentence in (*row["marks"], *row["notes"]):
            cells.setdefault(sentence, []).append(cell_name(row))
    ran = [row for row in rows if row["status"] != "unsupported"]
    return [
        f"{f'All {len(names)} cells that ran' if len(names) == len(ran) > 2 else listed(names)}: {sentence}"
        for sentence, names in cells.items()
    ]


def row_notes(row: Mapping[str, Any]) -> list[str]:
    """Whole sentences on what is wrong with a row: why it is not `ok`, why its timing is not valid."""
    notes = []
    if row["status"] != "ok":
        log = f" Log: {row['log']}" if row["log"] else ""
        verb = "failed" if row["status"] == "failed" else f"is {row['status']}"
        notes.append(f"{cell_name(row)} {verb}: {_sentence(row['reason'])}{log}")
    if row["timing_valid"] is False and row["latency_p50_ms"] is not None:
        first, *more = row["timing_reason"].split("; ")  # as `combine_rounds` joins them
        rest = f" (and {count(len(more), 'more reason', 'more reasons')}, in summary.csv)" if more else ""
        notes.append(f"The timing of {cell_name(row)} is not valid: {_sentence(first + rest)}")
    return notes


def _sentence(text: str) -> str:
    text = text.strip() or "no reason was recorded"
    return text if text.endswith((".", "!", "?")) else f"{text}."
