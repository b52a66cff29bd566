"""The six kinds of error of TIDE, and what each costs the cells of a group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssdbench.evaluation.tide import ERRORS
from ssdbench.report.words import cell_name

Record = Mapping[str, Any]

# Bolya et al., ECCV 2020, section 2.2: overlaps of 0.5 and 0.1 part the kinds.
MEANINGS = {
    "classification": "a box on an object, but of another class",
    "localisation": "the right class, but the box overlaps its object by an IoU of 0.1 to 0.5 only",
    "both": "another class, and too little overlap as well",
    "duplicate": "the right class on an object that a better box has found already",
    "background": "a box where nothing is annotated: no object overlaps it by more than 0.1",
    "missed": "an object that is not found, and at which no error of classification or localisation aims",
}
_LEAST = 0.0005  # what three decimals show


def error_table(group: Record, rows: Mapping[str, Record], details: Mapping[str, Record]) -> dict[str, Any] | None:
    """The errors of one group; None where no cell has any.

    Returns:
        {the group's keys, lines: [{id, name, framework, is_reference, ap50, costs, grew}], most: the greatest cost}.
        `costs` holds {cost, change, reference, count} for each of ERRORS, costs in AP50; `change` and `reference` are
        None where there is no reference. `grew` is the kind whose cost grew most: {name, change}, None where none grew.
    """
    found = {cell: part for cell in group["cells"] if (part := details[cell]["errors"]) and part.get("cost_in_order")}
    if not found:
        return None
    reference = found.get(group["reference"] or "")
    lines = [_line(rows[cell], part, reference) for cell, part in found.items()]
    return {**group, "lines": lines, "most": max(cost["cost"] for line in lines for cost in line["costs"])}


def _line(row: Record, errors: Record, reference: Record | None) -> dict[str, Any]:
    costs = []
    for kind in ERRORS:
        ours = errors["cost_in_order"][kind]
        theirs = reference["cost_in_order"][kind] if reference else None
        changed = None if theirs is None or row["is_reference"] else ours - theirs
        costs.append({"cost": ours, "change": changed, "reference": theirs, "count": errors["counts"][kind]})
    grown = [(cost["change"], kind) for cost, kind in zip(costs, ERRORS, strict=True) if cost["change"] is not None]
    most, kind = max(grown, default=(0.0, ""))
    return {
        "id": row["id"],
        "name": cell_name(row),
        "framework": row["framework"],
        "is_reference": row["is_reference"],
        "ap50": errors["ap50"],
        "costs": costs,
        "grew": {"name": kind, "change": most} if most >= _LEAST else None,
    }
