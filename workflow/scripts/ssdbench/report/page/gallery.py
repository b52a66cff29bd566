"""What the section of pictures shows: which cells have boxes, what stands beside what, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.page.pictures import LEAST_LOSS, MATCH_IOU, SHOWN_SCORE
from ssdbench.report.words import cell_name

Record = Mapping[str, Any]


def gallery(summary: Record, pictures: Sequence[Record]) -> dict[str, Any]:
    """The section of pictures.

    Args:
        summary: as `build_summary` gives it. pictures: as `build_pictures` gives them, of all dataset tags.

    Returns:
        {pictures: (number, picture) of those that can be shown, what any cell lost most on first, annotated: whether
        any has ground truth, unreadable: the others, cells: ids of the cells with boxes, first: the cell
        to show at first, names: {cell id: name}, order: `loss` or `disagreement`, by which the worst come first, or
        empty where no cell has any; has_reference: whether anything can stand beside a reference, data: what the
        page's script draws, and the limits shown_score and match_iou}.
    """
    readable = [picture for picture in pictures if not picture["problem"]]
    cells = [row["id"] for row in summary["rows"] if any(row["id"] in picture["cells"] for picture in readable)]
    names = {row["id"]: cell_name(row) for row in summary["rows"]}
    references = {
        cell: group["reference"]
        for group in summary["groups"]
        for cell in group["cells"]
        if cell != group["reference"] and group["reference"] in cells
    }
    order = _order(summary, readable)
    return {
        "pictures": sorted(enumerate(readable), key=lambda numbered: -_greatest_loss(numbered[1])),
        "annotated": any(picture["annotated"] for picture in readable),
        "unreadable": [picture for picture in pictures if picture["problem"]],
        "cells": cells,
        "first": _first(summary, cells, readable),
        "names": names,
        "order": order,
        "has_reference": any(cell in references for cell in cells),
        "data": {
            "cells": names,
            "references": references,
            "order": order,
            "least": LEAST_LOSS,
            "pictures": [_drawn(picture) for picture in readable],
        },
        "shown_score": SHOWN_SCORE,
        "match_iou": MATCH_IOU,
    }


def _first(summary: Record, cells: Sequence[str], pictures: Sequence[Record]) -> str:
    """The cell that lost most on any picture; where none lost, a reference that has boxes, or else any cell."""
    losses = [(loss["lost"], cell) for one in pictures for cell, loss in one["losses"].items() if cell in cells]
    if losses:
        return str(max(losses)[1])
    reference = next((row["id"] for row in summary["rows"] if row["is_reference"] and row["id"] in cells), None)
    return reference or next(iter(cells), "")


def _order(summary: Record, pictures: Sequence[Record]) -> str:
    lossy = {cell for picture in pictures for cell in picture["losses"]}
    orders = [summary["details"][cell]["parity"]["ordered_by"] for cell in summary["details"] if cell in lossy]
    return next(iter(orders), "")


def _greatest_loss(picture: Record) -> float:
    return max((loss["lost"] for loss in picture["losses"].values()), default=0.0)


def _drawn(picture: Record) -> dict[str, Any]:
    """What the script needs of a picture; the words of its losses stand in the page itself."""
    kept = {key: picture[key] for key in ("file_name", "width", "height", "by_place", "annotated", "truths", "cells")}
    losses = {cell: {key: loss[key] for key in ("lost", "objects")} for cell, loss in picture["losses"].items()}
    return {**kept, "losses": losses}
