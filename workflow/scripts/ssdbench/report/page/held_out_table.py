"""What a model that has seen part of the dataset in training does on the images it has seen, and on the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssdbench.report.words import cell_name

Record = Mapping[str, Any]


def seen_table(group: Record, rows: Mapping[str, Record], details: Mapping[str, Record]) -> dict[str, Any] | None:
    """The parts of one group; None where no cell has any.

    Returns:
        {the group's keys, lists: [{name, sha256}], images: {all, held_out, seen: how many, the same for each cell},
        lines: [{name, is_reference, AP, held_out, seen, gap}],
        reason: why there may be no line, meant: the cell whose gap is explained, the reference where it has one,
        meaning: what that gap comes to}.
    """
    parts = {cell: part for cell in group["cells"] if (part := details[cell]["parts"])}
    made = {cell: part for cell, part in parts.items() if part.get("held_out") or part.get("seen")}
    if not parts:
        return None
    lists = {part["list"]["sha256"]: part["list"] for part in made.values()}
    lines = [
        {
            "name": cell_name(rows[cell]),
            **{key: rows[cell][key] for key in ("is_reference", "AP")},
            **{key: part.get(key) for key in ("held_out", "seen", "gap")},
        }
        for cell, part in made.items()
    ]
    reasons = [part["reason"] for part in parts.values() if part.get("reason")]
    judged = sorted((line for line in lines if line["gap"]), key=lambda line: not line["is_reference"])
    return {
        **group,
        "lists": list(lists.values()),
        "images": _images(next(iter(made.values()), {})),
        "lines": lines,
        "reason": next(iter(reasons), "it is not known which of these images the model has seen"),
        "meant": judged[0]["name"] if judged else "",
        "meaning": gap_meaning(judged[0]["gap"]) if judged else "",
    }


def _images(part: Record) -> dict[str, int]:
    images = {key: (part.get(key) or {}).get("images", 0) for key in ("held_out", "seen")}
    return {"all": sum(images.values()), **images}


def gap_meaning(gap: Record) -> str:
    """What a gap between the seen images and the held-out ones means, in a sentence or two."""
    if gap["low"] > 0:
        return (
            "The model does better on the images that it was trained on, by more than chance: its AP on all images "
            "flatters it, and the AP on the held-out images is the one to go by."
        )
    if gap["high"] < 0:
        return (
            "The seen images come out worse, by more than chance, which training on them cannot explain: they are the "
            "harder ones. The gap says nothing for or against memory here."
        )
    return (
        "The interval of the gap holds zero, so these images do not show that the model does better on what it has "
        "seen. That is no proof that it does not."
    )
