"""The settings of each cell's timing side by side: a row for each, and which is best for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.catalog.timing_setting import Setting
from ssdbench.report.words import CELL_WORDS

_TIMES = (
    "speed", "speed_low", "speed_high",
    "latency_p50_ms", "latency_p90_ms", "end_to_end_p50_ms", "end_to_end_p90_ms", "throughput_ips", "rounds", "queries",
    "peak_rss_mb",
)  # fmt: skip
# What the rounds of a setting gave by themselves, from the least to the most.
_RANGES = ("end_to_end_p50_ms", "throughput_ips")

SWEEP_COLUMNS = (
    *CELL_WORDS, "setting", "batch", "threads", "streams", "status", "reason",
    "speed", "speed_low", "speed_high", "speed_verdict", "speed_reference",
    "latency_p50_ms", "latency_p90_ms", "end_to_end_p50_ms", "end_to_end_p90_ms", "throughput_ips",
    "timing_valid", "timing_reason", "rounds", "queries", "peak_rss_mb", "is_default", "log",
)  # fmt: skip

Row = Mapping[str, Any]


def sweep_rows(
    rows: Sequence[Row], runs: Sequence[Mapping[str, Any]], context: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """A row for each cell and setting, in the order of the cells and of the configuration.

    Args:
        rows, runs: the summary's rows and the cells' run.json, in the same order.
        context: `settings`: their names, the default one first; without it the cells' own is the only one.
            `sweep`: {cell id: {setting: what combine_rounds says of it}}; `unsupported_settings`: {cell id:
            {setting: why}}. What is in neither was not measured.

    Returns:
        rows with the keys SWEEP_COLUMNS, `id` (the cell's), and `<figure>_low` and `_high` of end-to-end latency and
        throughput: the least and the most of the rounds. A missing number is None. Latency is that of a query, which
        is a batch; `latency_*` of the network alone.
    """
    names = context.get("settings")
    found = []
    for row, run in zip(rows, runs, strict=True):
        for number, name in enumerate(names or [row["setting"] or Setting().name]):
            setting = Setting.of(name) or Setting()
            facts = _facts(row, run, context, name, is_default=number == 0)
            per_round = facts.get("per_round") or []
            ranges = {key: [value for one in per_round if (value := one.get(key)) is not None] for key in _RANGES}
            found.append(
                {
                    "id": row["id"],
                    **{word: row[word] for word in CELL_WORDS},
                    "setting": name,
                    **vars(setting),
                    "status": facts["status"],
                    "reason": facts.get("reason") or "",
                    **{key: facts.get(key) for key in _TIMES},
                    "speed_verdict": facts.get("speed_verdict") or "",
                    "speed_reference": facts.get("speed_reference") or "",
                    "timing_valid": facts.get("timing_valid"),
                    "timing_reason": facts.get("timing_reason") or "",
                    "is_default": number == 0,
                    "log": facts.get("log") or "",
                    **{f"{key}_low": min(values, default=None) for key, values in ranges.items()},
                    **{f"{key}_high": max(values, default=None) for key, values in ranges.items()},
                }
            )
    return found


def _facts(row: Row, run: Mapping[str, Any], context: Mapping[str, Any], name: str, is_default: bool) -> Row:
    """What is known of one setting of a cell: the content of its timing.json, or why there is none."""
    cell = {"status": row["status"], "reason": row["reason"], "log": row["log"]}
    refused = context.get("unsupported_settings", {}).get(row["id"], {})
    if row["status"] == "unsupported":
        return cell
    if name in refused:
        return {"status": "unsupported", "reason": refused[name]}
    timing = run.get("timing") if is_default else context.get("sweep", {}).get(row["id"], {}).get(name)
    if timing:
        return dict(timing)
    return cell if row["status"] == "failed" else {"status": "failed", "reason": "job ended without a result"}
