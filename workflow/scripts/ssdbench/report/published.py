"""Published rows, each beside the cell that reproduces it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssdbench.documents import read_yaml
from ssdbench.errors import UserError
from ssdbench.evaluation import METRICS
from ssdbench.report.words import CELL_WORDS


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
        if row["values"] is not None and len(row["values"]) != len(METRICS):
            raise UserError(f"{path}: the row {row['id']} has {len(row['values'])} values; COCO has {len(METRICS)}.")
    return document


def match_published(
    published: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]], *, all_rows: bool
) -> list[dict[str, Any]]:
    """Join published rows with the summary rows of the very same cell: dataset tag, model, protocol and all.

    Args:
        published: as `load_published` gives it, or None.
        rows: summary rows.
        all_rows: also give the published rows that no cell reproduces here.

    Returns:
        Per published row what the file says, `source_title` and `source_url`, `row_id` (the cell's, or None),
        `missing` (why there is nothing of ours), and `metrics`: [{name, published, ours, difference}].
    """
    if published is None:
        return []
    by_cell = {tuple(row[word] for word in CELL_WORDS): row for row in rows}
    matches = []
    for entry in published["rows"]:
        row = by_cell.get(tuple(entry["cell"][word] for word in CELL_WORDS))
        if row is None and not all_rows:
            continue
        source = published["sources"][entry["source"]]
        matches.append(
            {
                **entry,
                "source_title": source["title"],
                "source_url": source.get("url", ""),
                "source_notes": list(source.get("notes", [])),
                "row_id": row["id"] if row else None,
                "missing": _why_missing(row),
                "metrics": _metrics(entry["values"], row),
            }
        )
    return matches


def _why_missing(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "this cell was not run"
    return "" if row["AP"] is not None else row["missing"].get("AP", row["missing"]["*"])


def _metrics(values: Sequence[float] | None, row: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    pairs = []
    published: Sequence[float | None] = values if values is not None else [None] * len(METRICS)
    for name, stated in zip(METRICS, published, strict=True):
        ours = row[name] if row else None
        difference = None if stated is None or ours is None else ours - stated
        pairs.append({"name": name, "published": stated, "ours": ours, "difference": difference})
    return pairs
