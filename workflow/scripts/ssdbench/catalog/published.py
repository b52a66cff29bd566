"""Rows that others published, as published.yaml has them, and what they let a cell expect."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.registry import Expected
from ssdbench.coco.metric_names import METRICS
from ssdbench.errors import UserError
from ssdbench.files.reading import read_yaml


def load_published(path: Path) -> dict[str, Any]:
    """Read the published rows: {sources: {name: {...}}, rows: [{id, source, cell, values, ...}]}.

    Raises:
        UserError: the file is not YAML, or a row lacks a source or has not twelve values.
    """
    document: dict[str, Any] = read_yaml(path)
    for row in document["rows"]:
        if row["source"] not in document["sources"]:
            raise UserError(
                f"{path}: the row {row['id']} names the source {row['source']!r}, which is not under sources."
            )
        if row["values"] is not None and "tolerance" not in row:
            raise UserError(f"{path}: the row {row['id']} has values and no tolerance; say how far ours may lie off.")
        if row["values"] is not None and len(row["values"]) != len(METRICS):
            raise UserError(f"{path}: the row {row['id']} has {len(row['values'])} values; COCO has {len(METRICS)}.")
    return document


def expected_of_published(published: Mapping[str, Any]) -> dict[CellName, Expected]:
    """The AP that each published row lets the cell expect that reproduces it."""
    rows = {CellName(**row["cell"]): row for row in published["rows"] if row["values"] is not None}
    return {
        name: Expected(
            name.dataset,
            name.protocol,
            row["values"][0],
            row["tolerance"],
            f"{published['sources'][row['source']]['title']}, {row['label']}",
            name.precision,
        )
        for name, row in rows.items()
    }
