"""What was timed, stage by stage and round by round, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import cell_name, listed, setting_words

STAGES = {
    "decode": "Decode",
    "preprocess": "Preprocess",
    "network": "Network",
    "postprocess": "Post-process",
    "end_to_end": "End to end",
}
# Something always runs for a moment: below this share of a round it is not worth a sentence.
_WORTH_A_NOTE = 0.2


def timing_table(rows: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> dict[str, Any] | None:
    """The timings of a group's cells; None where no cell was timed.

    Args:
        rows: the group's summary rows. details: by cell id.

    Returns:
        {setting, host, most, has_workload, lines, notes}. setting, host: what all cells share, or empty. most: the
        latency in ms at the right end of the drawn rounds. A line is {id, setting, host, stages, rounds, queries,
        medians, drawn, workload, left_out}: `stages` are {name: [(percentile, ms)]}, `medians` are those of the rounds,
        in order; left_out: the share of the time that was disturbed and does not count; `drawn` is {p50, p90, p99,
        medians}, each a percentage of `most` or None. notes: what disturbed which round.
    """
    timed = [row for row in rows if details[row["id"]]["timing"].get("stages")]
    if not timed:
        return None
    lines = [_line(row, details[row["id"]]["timing"]) for row in rows]
    ends = [ms for line in lines for ms in (*line["medians"], *(ms for _, ms in line["stages"].get("network", [])))]
    most = max(ends, default=0.0) or 1.0
    for line in lines:
        line["drawn"] = _drawn(line, most)
    settings = {line["setting"] for line in lines if line["setting"]}
    hosts = {line["host"] for line in lines if line["host"]}
    return {
        "setting": settings.pop() if len(settings) == 1 else "",
        "host": hosts.pop() if len(hosts) == 1 else "",
        "most": most,
        "has_workload": any(line["workload"] is not None for line in lines),
        "lines": lines,
        "notes": [note for row in rows for note in _notes(row, details[row["id"]]["timing"])],
    }


def _line(row: Mapping[str, Any], timing: Mapping[str, Any]) -> dict[str, Any]:
    stages = timing.get("stages") or {}
    per_round = timing.get("per_round") or []
    return {
        "id": row["id"],
        "setting": setting_words(row["setting"]),
        "host": row["timed_host"],
        "stages": {name: list(stages[name].items()) for name in STAGES if stages.get(name)},
        "rounds": timing.get("rounds"),
        "queries": timing.get("queries"),
        "medians": [entry["latency_p50_ms"] for entry in per_round if entry.get("latency_p50_ms") is not None],
        "workload": timing.get("reference_ms"),
        "left_out": _left_out(per_round),
    }


def _drawn(line: Mapping[str, Any], most: float) -> dict[str, Any]:
    network = dict(line["stages"].get("network", []))
    at = {name: 100 * network[name] / most if name in network else None for name in ("p50", "p90", "p99")}
    return {**at, "medians": [100 * median / most for median in line["medians"]]}


def _left_out(per_round: Sequence[Mapping[str, Any]]) -> float | None:
    """The share of the time that was disturbed and is left out; None where no round says."""
    left_out, used = (sum(entry.get(key, 0.0) for entry in per_round) for key in ("left_out_s", "seconds"))
    return left_out / (left_out + used) if used else None


def _notes(row: Mapping[str, Any], timing: Mapping[str, Any]) -> list[str]:
    """A sentence for each round of which much was disturbed: how much of its time, and by what."""
    notes = []
    for entry in timing.get("per_round") or []:
        if entry.get("is_undisturbed", True) and (_left_out([entry]) or 0.0) < _WORTH_A_NOTE:
            continue
        name = f"{cell_name(row)}, round {entry['round']}"
        if entry["is_undisturbed"]:
            what = f"{entry['left_out_s']:.1f} of {entry['left_out_s'] + entry['seconds']:.1f} s were left out"
        else:
            what = "too little was undisturbed, so nothing is left out"
        notes.append(f"{name}: {what}; {listed(entry['disturbances'])}.")
    return notes
