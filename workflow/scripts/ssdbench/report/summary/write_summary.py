"""Writes the summary as CSV, JSON and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ssdbench.files.writing import write_json, write_text
from ssdbench.report.summary.build_summary import _TIMES, COLUMNS
from ssdbench.report.summary.row_notes import SAMPLE_NOTE, mark_notes, row_notes
from ssdbench.report.summary.sweep_rows import SWEEP_COLUMNS
from ssdbench.report.summary.verdicts import verdict_notes
from ssdbench.report.words import DASH, cell_name, change, factor, interval, shown


def write_summary(
    summary: Mapping[str, Any], csv_path: Path, json_path: Path, markdown_path: Path, sweep_path: Path
) -> None:
    """Write summary.csv, summary.json, summary.md and sweep.csv, each atomically."""
    write_text(csv_path, summary_csv(summary))
    write_text(sweep_path, csv_text(SWEEP_COLUMNS, summary["sweep"]))
    write_json(json_path, summary)
    write_text(markdown_path, summary_markdown(summary))


def summary_csv(summary: Mapping[str, Any]) -> str:
    """The rows as CSV with the columns COLUMNS."""
    return csv_text(COLUMNS, summary["rows"])


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV of these columns of the rows; missing values are empty, booleans `true` and `false`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row.get(column) for column in columns)
        writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in values])
    return text.getvalue()


def summary_markdown(summary: Mapping[str, Any]) -> str:
    """A table per group, and below it the cells that are not `ok` or whose timing is not valid."""
    all_columns = {
        "AP": "AP", "AP_change": "change (95 % interval)", "verdict": "verdict", "AP50": "AP50",
        "speed": "speed (95 % interval)", "latency_p50_ms": "p50, ms", "latency_p90_ms": "p90, ms",
        "throughput_ips": "images/s", "model_mb": "model, MB", "peak_rss_mb": "memory, MB", "status": "status",
    }  # fmt: skip
    by_id = {row["id"]: row for row in summary["rows"]}
    lines = [f"# Results on {_markdown(summary['tag'])}", ""]
    if summary["is_sample"]:
        lines += [f"*{SAMPLE_NOTE}*", ""]
    for group in summary["groups"]:
        rows = [by_id[cell] for cell in group["cells"]]
        heading = f"{group['title']}, protocol {group['protocol']}, {group['dataset']}"
        lines += [f"## {_markdown(heading)}", ""]
        columns = dict(all_columns)
        if group["best_sentence"]:
            lines += [_markdown(group["best_sentence"]), ""]
        if group["verdict"]:
            lines += [_markdown(group["verdict"]), ""]
        else:
            columns["AP_change"] = "change"
            del columns["verdict"]
        lines += ["| cell | " + " | ".join(columns.values()) + " |"]
        lines += ["|---|" + "---:|" * (len(columns) - 1) + "---|"]
        for row in rows:
            values = [_markdown(_flagged(row, column)) for column in columns]
            lines.append(f"| {_markdown(cell_name(row))} | " + " | ".join(values) + " |")
        texts = [*mark_notes(rows), *(note for row in rows for note in row_notes(row)), *verdict_notes(rows)]
        notes = [f"- {_markdown(text)}" for text in texts]
        lines += ["", *notes, *([""] if notes else [])]
    return "\n".join(lines).rstrip("\n") + "\n"


def _flagged(row: Mapping[str, Any], column: str) -> str:
    text = shown(row, column) or DASH
    if column == "speed" and row["speed"] is not None and row["speed_verdict"] != "reference":
        text = f"{text} ({factor(row['speed_low'])} to {factor(row['speed_high'])})"
    if column == "AP_change" and row["AP_change_low"] is not None:
        return f"{change(row['AP_change'], 4)} ({interval(row['AP_change_low'], row['AP_change_high'])})"
    return (
        f"{text} (not valid)"
        if column in (*_TIMES, "speed") and row["timing_valid"] is False and text != DASH
        else text
    )


def _markdown(text: str) -> str:
    for plain, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("\n", " "), ("`", "'")):
        text = text.replace(plain, safe)
    return text
