"""The sections that say where a difference comes from: ladders, classes, kinds of error, parts and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ssdbench.report.page.gallery import gallery
from ssdbench.report.page.held_out_table import seen_table
from ssdbench.report.page.ladder_table import RUNGS, ladder_table
from ssdbench.report.page.tide_table import MEANINGS, error_table
from ssdbench.report.summary.class_table import FEW_OBJECTS, SIZES, class_table

Record = Mapping[str, Any]


def differences(summary: Record, pictures: Sequence[Record]) -> dict[str, Any]:
    """What the templates of these sections show, by the name that they know it by.

    Args:
        summary: as `build_summary` gives it. pictures: as `build_pictures` gives them, of all dataset tags.
    """
    rows = {row["id"]: row for row in summary["rows"]}

    def tables(of: Callable[..., dict[str, Any] | None]) -> list[dict[str, Any]]:
        return [table for group in summary["groups"] if (table := of(group, rows, summary["details"]))]

    return {
        "ladders": tables(ladder_table),
        "rung_titles": list(RUNGS.values()),
        "class_tables": tables(class_table),
        "class_sizes": SIZES,
        "few_objects": FEW_OBJECTS,
        "error_tables": tables(error_table),
        "error_meanings": MEANINGS,
        "seen_tables": tables(seen_table),
        "gallery": gallery(summary, pictures),
    }
