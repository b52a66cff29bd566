"""Published rows, each beside the cell that reproduces it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ssdbench.coco.metric_names import METRICS
from ssdbench.evaluation.bootstrap import Draws, compare
from ssdbench.report.words import CELL_WORDS, accuracy, change, listed


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


def explain(
    published: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]], draws: Mapping[str, Draws]
) -> list[dict[str, Any]]:
    """From one published row to another by our own runs, one change at a time.

    Args:
        published: as `load_published` gives it, or None. rows: summary rows. draws: by cell id.

    Returns:
        [{title, sentence, steps: [{cell, row_id, change, AP, difference, low, high, missing}]}], an explanation for
        each whose first cell was run. difference: from the step before; low and high: its 95 % interval where both
        are of the same images, else None. sentence: what the changes cost, empty while a step has no AP.
    """
    if published is None:
        return []
    by_cell = {tuple(row[word] for word in CELL_WORDS): row for row in rows}
    told = []
    for explanation in published["explanations"]:
        steps = [
            _step(step, by_cell.get(tuple(step["cell"][word] for word in CELL_WORDS))) for step in explanation["steps"]
        ]
        if steps[0]["row_id"] is None:
            continue
        for before, step in pairwise(steps):
            step |= _difference(before, step, draws)
        told.append({"title": explanation["title"], "sentence": _sentence(steps), "steps": steps})
    return told


def _step(step: Mapping[str, Any], row: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "cell": step["cell"],
        "change": step["change"],
        "row_id": row["id"] if row else None,
        "AP": row["AP"] if row else None,
        "missing": _why_missing(row),
        **dict.fromkeys(("difference", "low", "high")),
    }


def _difference(before: Mapping[str, Any], step: Mapping[str, Any], draws: Mapping[str, Draws]) -> dict[str, Any]:
    if before["AP"] is None or step["AP"] is None:
        return {}
    difference = {"difference": step["AP"] - before["AP"]}
    pair = [draws.get(one["row_id"]) for one in (before, step)]
    if pair[0] is None or pair[1] is None or not pair[0].is_paired_with(pair[1]):
        return difference
    interval = compare(pair[0], pair[1]).intervals["AP"]
    return difference | ({"low": interval.low, "high": interval.high} if interval else {})


def _sentence(steps: Sequence[Mapping[str, Any]]) -> str:
    if any(step["AP"] is None for step in steps):
        return ""
    first, last = steps[0]["AP"], steps[-1]["AP"]
    parts = [f"{change(step['difference'])} for {step['change']}" for step in steps[1:]]
    return f"Our own runs go from {accuracy(first)} to {accuracy(last)}: {listed(parts)}."
