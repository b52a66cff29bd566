"""The few facts of a group that a reader wants first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import accuracy, cell_name, factor, quantity, share, speed_interval


def comparable_timings(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows whose speeds may be set beside each other: those with a speed, unless their timing is not valid."""
    return [row for row in rows if row["speed"] is not None and row["timing_valid"] is not False]


def findings(rows: Sequence[Mapping[str, Any]], reference: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """What a reader wants first of one group: [{label, figure, unit, words}]; what is unknown is left out.

    Only valid timings make a cell the fastest. If the fastest is lost or undecided, the fastest that is kept follows.
    """
    facts = []
    if reference is not None and reference["AP"] is not None:
        words = f"{cell_name(reference)}, the reference that the others are compared with"
        facts.append(_fact("Reference", accuracy(reference["AP"]), "AP", words))
    timed = comparable_timings(rows)
    if timed:
        fastest = max(timed, key=lambda row: row["speed"])
        facts.append(_speed("Fastest", fastest, reference, _among(timed, rows)))
        kept = [row for row in timed if row["verdict"] == "kept" or row is reference]
        if fastest["verdict"] in ("lost", "undecided") and kept:
            facts.append(_speed("Fastest kept", max(kept, key=lambda row: row["speed"]), reference))
    sized = [row for row in rows if row["model_mb"]]
    if sized:
        smallest = min(sized, key=lambda row: row["model_mb"])
        equal = [row for row in sized if row["model_mb"] < 1.01 * smallest["model_mb"]]
        # Files within 1 % count as equally small; the more accurate of them is named.
        smallest = max(equal, key=lambda row: (row["AP"] or 0.0, -row["model_mb"]))
        facts.append(
            _fact(
                "Smallest",
                quantity(smallest["model_mb"]),
                "MB",
                cell_name(smallest) + _part(smallest, reference),
            )
        )
    exact = [row["AP"] for row in rows if row["precision"] == "fp32" and row["AP"] is not None]
    if len(exact) > 1:
        words = f"between the highest and the lowest of {len(exact)} fp32 cells: what conversion alone costs"
        facts.append(_fact("Frameworks apart", f"{max(exact) - min(exact):.4f}", "AP", words))
    return facts


def _fact(label: str, figure: str, unit: str, words: str) -> dict[str, str]:
    return {"label": label, "figure": figure, "unit": unit, "words": words + "."}


def _speed(label: str, row: Mapping[str, Any], reference: Mapping[str, Any] | None, more: str = "") -> dict[str, str]:
    """How fast a cell is, relative to the one that is 1, and with how much of the reference's AP."""
    unit = f"× {'the reference' if reference and reference['speed_verdict'] == 'reference' else row['speed_reference']}"
    words = cell_name(row)
    words += ", the reference itself" if row["speed_verdict"] == "reference" else f", {speed_interval(row)}"
    if row["AP_share"] is not None:
        words += f", with {_ap(row)}"
    return _fact(label, factor(row["speed"]), unit, words + more)


def _part(row: Mapping[str, Any], reference: Mapping[str, Any] | None) -> str:
    if reference is None or row is reference or not reference["model_mb"]:
        return ""
    size = f", with {share(row['model_mb'] / reference['model_mb'])} of the reference's size"
    return size + (f" and {_ap(row)}" if row["AP_share"] is not None else "")


def _among(timed: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Of how many cells the fastest is one, where some timings are struck out."""
    measured = sum(row["speed"] is not None for row in rows)
    return (
        f". {len(timed)} of {measured} timings are valid, and the others do not count" if len(timed) < measured else ""
    )


def _ap(row: Mapping[str, Any]) -> str:
    verdict = f" (verdict: {row['verdict']})" if row["verdict"] else ""
    return f"{share(row['AP_share'])} of the reference's AP{verdict}"
