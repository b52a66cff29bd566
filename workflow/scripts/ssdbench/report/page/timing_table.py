"""What was timed, stage by stage and round by round, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import setting_words

STAGES = {
    "decode": "Decode",
    "preprocess": "Preprocess",
    "network": "Network",
    "postprocess": "Post-process",
    "end_to_end": "End to end",
}


def timing_table(rows: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> dict[str, Any] | None:
    """The timings of a group's cells; None where no cell was timed.

    Args:
        rows: the group's summary rows. details: by cell id.

    Returns:
        {setting, host, most, lines}. setting, host: what all cells share, or empty. most: the
        latency in ms at the right end of the drawn rounds. A line is {id, setting, host, stages, rounds, queries,
        cycles, speeds, medians, drawn}: `stages` are {name: [(percentile, ms)]}, `speeds` theirs, `medians` those of
        the rounds, in order; `drawn` is {p50, p90, p99, medians}, each a percentage of `most` or None.
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
        "lines": lines,
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
        "cycles": timing.get("cycles"),
        "speeds": timing.get("speeds") or {},
    }


def _drawn(line: Mapping[str, Any], most: float) -> dict[str, Any]:
    network = dict(line["stages"].get("network", []))
    at = {name: 100 * network[name] / most if name in network else None for name in ("p50", "p90", "p99")}
    return {**at, "medians": [100 * median / most for median in line["medians"]]}


def machine_sentence(rows: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> str:
    """What the machine did while a group's cells took their turns; empty if they were not timed.

    All cells of a table share their rounds, so they say the same of them.
    """
    timings = [timing for row in rows if (timing := details[row["id"]]["timing"]).get("stages")]
    if not timings:
        return ""
    said = list(dict.fromkeys(sentence for timing in timings for sentence in timing.get("machine") or []))
    return " ".join(said) or "The machine was quiet meanwhile."
