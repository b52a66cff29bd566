"""The few facts of a group that a reader wants first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import accuracy, cell_name, quantity, ratio, share


def comparable_timings(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows whose latencies may be set beside each other: valid ones, and none where the processors differ."""
    return _validly_timed(rows) if len(timed_on(rows)) < 2 else []


def timed_on(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The processors of the valid timings."""
    return {cpu for row in _validly_timed(rows) for cpu in row["timed_on"]}


def _validly_timed(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["latency_p50_ms"] and row["timing_valid"] is not False]


def findings(rows: Sequence[Mapping[str, Any]], reference: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """What a reader wants first of one group: [{label, figure, unit, words}]; what is unknown is left out.

    Only timings that compare make a cell the fastest. Where the fastest is lost or undecided, the fastest that is
    kept follows.
    """
    facts = []
    if reference is not None and reference["AP"] is not None:
        words = f"{cell_name(reference)}, the reference that the others are compared with"
        facts.append(_fact("Reference", accuracy(reference["AP"]), "AP", words))
    timed = comparable_timings(rows)
    if timed:
        fastest = min(timed, key=lambda row: row["latency_p50_ms"])
        words = cell_name(fastest) + _gain(fastest, reference) + _among(timed, rows)
        facts.append(_fact("Fastest", quantity(fastest["latency_p50_ms"]), "ms", words))
        kept = [row for row in timed if row["verdict"] == "kept" or row is reference]
        if fastest["verdict"] in ("lost", "undecided") and kept:
            steady = min(kept, key=lambda row: row["latency_p50_ms"])
            words = cell_name(steady) + (_gain(steady, reference) or ", the reference itself")
            facts.append(_fact("Fastest kept", quantity(steady["latency_p50_ms"]), "ms", words))
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


def _speed_up(row: Mapping[str, Any], reference: Mapping[str, Any] | None) -> str:
    if reference is None or row is reference or not reference["latency_p50_ms"] or reference["timing_valid"] is False:
        return ""
    times = ratio(reference["latency_p50_ms"] / row["latency_p50_ms"])
    return f", {times} times as fast as the reference"


def _part(row: Mapping[str, Any], reference: Mapping[str, Any] | None) -> str:
    if reference is None or row is reference or not reference["model_mb"]:
        return ""
    size = f", with {share(row['model_mb'] / reference['model_mb'])} of the reference's size"
    return size + (f" and {_ap(row)}" if row["AP_share"] is not None else "")


def _gain(row: Mapping[str, Any], reference: Mapping[str, Any] | None) -> str:
    """How much faster than the reference, where that compares, and with how much of its AP."""
    speed_up = _speed_up(row, reference)
    whose = "its" if speed_up else "the reference's"
    return speed_up + (f", with {_ap(row, whose)}" if row["AP_share"] is not None else "")


def _among(timed: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Of how many cells the fastest is one, where some timings are struck out."""
    measured = sum(bool(row["latency_p50_ms"]) for row in rows)
    return (
        f". {len(timed)} of {measured} timings are valid, and the others do not count" if len(timed) < measured else ""
    )


def _ap(row: Mapping[str, Any], whose: str = "its") -> str:
    verdict = f" (verdict: {row['verdict']})" if row["verdict"] else ""
    return f"{share(row['AP_share'])} of {whose} AP{verdict}"
