"""The tables of a group as text: CSV with all digits for programs, LaTeX with rounded numbers for papers.

A CSV file has a row for each cell, or for each class or stage of a cell; the first columns name the cell. Missing
values are empty. The LaTeX needs the package booktabs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import LATEX_ESCAPE_RULES, tabulate

from ssdbench.coco.metric_names import METRICS
from ssdbench.evaluation.tide import ERRORS
from ssdbench.report.exports.captions import conditions, rows_of
from ssdbench.report.summary.class_table import SIZES, known
from ssdbench.report.summary.row_notes import SAMPLE_NOTE, mark_notes, row_notes
from ssdbench.report.summary.sweep_rows import SWEEP_COLUMNS
from ssdbench.report.summary.write_summary import csv_text
from ssdbench.report.words import CELL_WORDS, DASH, MINUS, cell_name, change, factor, interval, one_line, shown

_RESULTS = (
    *CELL_WORDS, "status", "reason", "images", "AP", "AP_change", "AP_change_low", "AP_change_high", "verdict", "AP50",
    "speed", "speed_low", "speed_high", "speed_verdict", "speed_reference",
    "latency_p50_ms", "latency_p50_low_ms", "latency_p50_high_ms", "latency_p90_ms", "throughput_ips",
    "timing_valid", "timing_reason", "setting", "model_mb",
)  # fmt: skip
_CLASS_METRICS = ("AP", *SIZES)
_PERCENTILES = ("p50", "p90", "p99", "p99.9")
_TIMES = ("speed", "latency_p50_ms", "latency_p90_ms", "throughput_ips")
_INVALID = "†"

# Characters that pdfTeX lacks, and a bracket that it would read as an option of the line break before it.
_LATEX_SIGNS: Mapping[str, str] = {MINUS: "$-$", DASH: "--", _INVALID: r"$\dagger$", "[": "{[}"}


def results_csv(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """A row per cell: AP with its change and interval, verdict, speed and latency with their ranges, size."""
    return csv_text(_RESULTS, rows_of(summary, group))


def metrics_csv(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """A row per cell: COCO's twelve metrics."""
    return csv_text((*CELL_WORDS, "images", *METRICS), rows_of(summary, group))


def classes_csv(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str | None:
    """A row per cell and class, with the change of AP from the reference; None if no cell has classes."""
    details = summary["details"]
    reference = details[group["reference"]]["per_class"] if group["reference"] else []
    exact = {entry["category_id"]: known(entry, "AP") for entry in reference}
    rows: list[dict[str, Any]] = []
    for row in rows_of(summary, group):
        for entry in details[row["id"]]["per_class"]:
            before, now = exact.get(entry["category_id"]), known(entry, "AP")
            scores = {name: known(entry, name) for name in _CLASS_METRICS}
            changed = None if before is None or now is None or row["is_reference"] else now - before
            rows.append({**row, **entry, **scores, "class": entry["name"], "AP_change": changed})
    columns = (*CELL_WORDS, "category_id", "class", "truths", "AP_change", *_CLASS_METRICS)
    return csv_text(columns, rows) if rows else None


def errors_csv(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str | None:
    """A row per cell: the cost and the number of each kind of TIDE error; None if none were counted."""
    rows: list[dict[str, Any]] = []
    for row in rows_of(summary, group):
        errors = summary["details"][row["id"]].get("errors")
        if errors and errors.get("cost_in_order"):
            parts = {"cost_in_order": "cost_in_order", "cost": "cost", "count": "counts"}
            flat = {f"{name}_{kind}": errors[part][kind] for name, part in parts.items() for kind in ERRORS}
            rows.append({**row, "ap50": errors["ap50"], **flat})
    kinds = [f"{name}_{kind}" for name in ("cost_in_order", "cost", "count") for kind in ERRORS]
    return csv_text((*CELL_WORDS, "ap50", *kinds), rows) if rows else None


def timing_csv(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str | None:
    """A row per cell and stage: the percentiles for which there are enough queries; None if no cell was timed."""
    rows: list[dict[str, Any]] = []
    for row in rows_of(summary, group):
        timing = summary["details"][row["id"]]["timing"]
        for stage, percentiles in (timing.get("stages") or {}).items():
            times = {f"{name}_ms": percentiles.get(name) for name in _PERCENTILES}
            rows.append({**row, **timing, "stage": stage, **times})
    columns = (
        *(*CELL_WORDS, "setting", "rounds", "queries", "stage"),
        *(f"{name}_ms" for name in _PERCENTILES),
        *("timing_valid", "timing_reason"),
    )
    return csv_text(columns, rows) if rows else None


def sweep_csv(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str | None:
    """A row per cell and setting; None if no cell has more than one setting."""
    rows = [row for row in summary["sweep"] if row["id"] in group["cells"]]
    return csv_text(SWEEP_COLUMNS, rows) if len(rows) > len(group["cells"]) else None


def results_latex(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """A row per cell, as in the report; invalid timings are marked, and a note says why."""
    rows = rows_of(summary, group)
    columns = {
        "AP": "AP", "AP_change": "Change", "verdict": "Verdict", "AP50": "AP50", "speed": "Speed",
        "latency_p50_ms": "p50, ms", "latency_p90_ms": "p90, ms", "throughput_ips": "Images/s", "model_mb": "MB",
    }  # fmt: skip
    if group["verdict"]:
        columns["AP_change"] = "Change (95 % interval)"
    else:
        del columns["verdict"]
    lines = [[cell_name(row), *(_value(row, column) for column in columns)] for row in rows]
    caption = (
        "AP; speed relative to the reference with its 95 % interval; latency of one call of the network: median "
        "(p50) and 90th percentile (p90)"
    )
    is_marked = any(_INVALID in text for line in lines for text in line)
    notes = [SAMPLE_NOTE] if summary["is_sample"] else [group["verdict"]]
    notes += [f"{_INVALID} The timing is not valid and stays out of comparisons."] if is_marked else []
    notes += [*mark_notes(rows), *(note for row in rows for note in row_notes({**row, "log": ""}))]
    return _latex(summary, group, "results", caption, ["Cell", *columns.values()], lines, notes)


def metrics_latex(summary: Mapping[str, Any], group: Mapping[str, Any]) -> str:
    """A row per cell: COCO's twelve metrics."""
    lines = [[cell_name(row), *(_value(row, name) for name in METRICS)] for row in rows_of(summary, group)]
    notes = [SAMPLE_NOTE] if summary["is_sample"] else []
    return _latex(summary, group, "metrics", "COCO's twelve metrics", ["Cell", *METRICS], lines, notes)


def latex_text(text: str) -> str:
    """A text in LaTeX, escaped, on one line."""
    return "".join({**LATEX_ESCAPE_RULES, **_LATEX_SIGNS}.get(sign, sign) for sign in one_line(text))


def _value(row: Mapping[str, Any], column: str) -> str:
    text = shown(row, column) or DASH
    if column == "AP_change" and row["is_reference"] and row["AP"] is not None:
        return "reference"
    if column == "AP_change" and row["AP_change_low"] is not None:
        return f"{change(row['AP_change'], 4)} ({interval(row['AP_change_low'], row['AP_change_high'])})"
    if column == "speed" and row["speed"] is not None and row["speed_verdict"] != "reference":
        text = f"{text} ({factor(row['speed_low'])} to {factor(row['speed_high'])})"
    return text + _INVALID if column in _TIMES and row["timing_valid"] is False and text != DASH else text


def _latex(
    summary: Mapping[str, Any],
    group: Mapping[str, Any],
    name: str,
    caption: str,
    header: Sequence[str],
    lines: Sequence[Sequence[str]],
    notes: Sequence[str],
) -> str:
    """A table environment with the conditions in its caption and the notes below."""
    facts = "; ".join(conditions(summary, group))
    alignment = ["left", *("left" if title == "Verdict" else "right" for title in header[1:])]
    plain = [[one_line(text) for text in line] for line in lines]
    tabular = tabulate(plain, header, tablefmt="latex_booktabs", disable_numparse=True, colalign=alignment)
    return "\n".join(
        [
            r"% Needs \usepackage{booktabs}.",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_text(f'{caption}. {facts}.')}}}",
            rf"\label{{tab:{name}-{group['id']}}}",
            "".join(_LATEX_SIGNS.get(sign, sign) for sign in tabular),
            *(rf"\par\footnotesize {latex_text(note)}" for note in notes if note),
            r"\end{table}",
            "",
        ]
    )
