"""AP class by class: what each cell gained and lost against the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import cell_name

Record = Mapping[str, Any]

FEW_OBJECTS = 20  # one object more or less of so many moves a class's recall by a twentieth
SIZES = ("AP50", "APsmall", "APmedium", "APlarge")
_NAMED = 3  # classes that lost, and that gained, said in words
_LEAST = 0.0005  # what three decimals show


def class_table(group: Record, rows: Mapping[str, Record], details: Mapping[str, Record]) -> dict[str, Any] | None:
    """The classes of one group; None where no cell has any.

    Returns:
        {the group's keys, columns: names of the cells, lines: [{name, truths, values}], cells: [see `_cell`]}.
        Classes without an object in the images are left out. A value that is None was not there to measure.
    """
    members = [cell for cell in group["cells"] if details[cell]["per_class"]]
    if not members:
        return None
    entries = {cell: {entry["category_id"]: entry for entry in details[cell]["per_class"]} for cell in members}
    reference = entries.get(group["reference"] or "", {})
    cells = [_cell(rows[cell], entries[cell], reference) for cell in members]
    lines = [
        {
            "name": entry["name"],
            "truths": entry.get("truths"),
            "values": [known(entries[cell].get(key)) for cell in members],
        }
        for key, entry in entries[members[0]].items()
    ]
    return {
        **group,
        "columns": [cell["name"] for cell in cells],
        "lines": [line for line in lines if any(value is not None for value in line["values"])],
        "cells": cells,
        "changed": [cell for cell in cells if cell["has_change"]],
    }


def _cell(row: Record, entries: Mapping[int, Record], reference: Mapping[int, Record]) -> dict[str, Any]:
    """One cell's classes, and those that moved most.

    Returns:
        {name, has_change, lines: [{name, truths, AP, change, AP50, ...}], what lost most first; lost, gained: the lines
        that changed most; many: how many classes have FEW_OBJECTS or more, many_lost: what lost most among those,
        says_many: whether that says more than `lost`, because few objects stand behind it}.
    """
    lines = [_line(entry, reference.get(key)) for key, entry in entries.items()]
    lines = [line for line in lines if line["AP"] is not None]
    changed = sorted((line for line in lines if line["change"] is not None), key=lambda line: line["change"])
    many = [line for line in changed if (line["truths"] or 0) >= FEW_OBJECTS]
    lost = _lost(changed)
    return {
        "name": cell_name(row),
        "has_change": bool(changed) and not row["is_reference"],
        "lines": [*changed, *(line for line in lines if line["change"] is None)],
        "lost": lost,
        "gained": [line for line in reversed(changed[-_NAMED:]) if line["change"] >= _LEAST],
        "many": len(many),
        "many_lost": _lost(many),
        "says_many": bool(many) and any(line not in many for line in lost),
    }


def _lost(changed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in changed[:_NAMED] if line["change"] <= -_LEAST]


def _line(entry: Record, reference: Record | None) -> dict[str, Any]:
    ours, theirs = known(entry), known(reference)
    return {
        "name": entry["name"],
        "truths": entry.get("truths"),
        "AP": ours,
        "change": None if ours is None or theirs is None else ours - theirs,
        **{size: known(entry, size) for size in SIZES},
    }


def known(entry: Record | None, name: str = "AP") -> float | None:
    """A figure of a class; None also for pycocotools' -1, which says that there was no object."""
    value = (entry or {}).get(name)
    return None if value is None or value < 0 else float(value)
