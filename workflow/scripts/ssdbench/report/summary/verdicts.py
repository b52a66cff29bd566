"""Is the drop real? The verdicts of the cells, as rows, sentences and a table of intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import cell_name, count


def verdict_columns(comparison: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a summary row says of a cell's comparison with the reference; empty where there is none.

    Args:
        comparison: as in run.json: `Comparison` (evaluation/bootstrap.py) as a dictionary, with the keys `reference`
            {framework, precision} and `share` besides.
    """
    if comparison is None:
        return {"verdict": "", "verdict_words": "", "AP_change_low": None, "AP_change_high": None}
    interval = comparison["intervals"]["AP"] or {"low": None, "high": None}
    return {
        "verdict": comparison["verdict"]["name"],
        "verdict_words": comparison["verdict"]["words"],
        "AP_change_low": interval["low"],
        "AP_change_high": interval["high"],
    }


def verdict_sentence(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """The verdicts of a group's cells, all against the same reference, in one sentence; empty where there are none."""
    if not comparisons:
        return ""
    rule = f"at least {percent(comparisons[0]['share'])} of its AP"
    against = f"compared with {cell_name(comparisons[0]['reference'])}"
    verdicts = [comparison["verdict"] for comparison in comparisons]
    names = [verdict["name"] for verdict in verdicts]
    kept, lost, undecided = (names.count(name) for name in ("kept", "lost", "undecided"))
    needed = _needed([verdict["images_needed"] for verdict in verdicts if verdict["name"] == "undecided"])
    if len(names) == 1:
        said = {
            "kept": f"kept {rule}",
            "lost": f"did not keep {rule}",
            "undecided": f"is undecided, whether it kept {rule}{needed}",
        }
        return f"The one cell {against} {said[names[0]]}."
    if kept == len(names):
        return f"All {count(kept, 'cell')} {against} kept {rule}."
    parts = [f"{kept or 'none'} kept {rule}"]
    if lost:
        parts.append(f"{lost} lost")
    if undecided:
        parts.append(f"{undecided} {'is' if undecided == 1 else 'are'} undecided{needed}")
    return f"Of {count(len(names), 'cell')} {against}, {', '.join(parts)}."


def verdict_notes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the verdicts of the rows rest on, in whole sentences."""
    return [f"{cell_name(row)}: {row['verdict']}. {row['verdict_words']}" for row in rows if row["verdict"]]


def interval_table(
    comparisons: Mapping[str, Mapping[str, Any]], names: Mapping[str, str], metrics: Sequence[str]
) -> dict[str, Any] | None:
    """The intervals of a group's cells; None where none was compared.

    Args:
        comparisons, names: by cell id. metrics: the columns.

    Returns:
        {images, replicates, seed, lines: [{name, intervals}]}; an interval is {difference, low, high} or None.
    """
    if not comparisons:
        return None
    # Cells are compared only where images, replicates and seed are the same.
    first = next(iter(comparisons.values()))
    lines = [
        {"name": names[cell], "intervals": [comparison["intervals"][metric] for metric in metrics]}
        for cell, comparison in comparisons.items()
    ]
    return {**{key: first[key] for key in ("images", "replicates", "seed")}, "lines": lines}


def percent(share: float) -> str:
    """The share of a rule: 0.99 is `99 %`."""
    return f"{100 * share:g} %"


def _needed(images: Sequence[int | None]) -> str:
    """About how many images would decide the undecided cells."""
    known = sorted({number for number in images if number is not None})
    if not images:
        return ""
    if not known:
        return ": no number of images in reach would decide"
    numbers = f"{known[0]:,}" if len(known) == 1 else f"{known[0]:,} to {known[-1]:,}"
    decided = sum(number is not None for number in images)
    which = "" if decided == len(images) else f" {decided} of them"
    return f": about {numbers} images would decide{which}"
