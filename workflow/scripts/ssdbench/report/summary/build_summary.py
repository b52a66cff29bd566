"""From the cells' run.json to one summary: rows, groups of what may be compared, and their tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.coco.metric_names import METRICS
from ssdbench.report.summary.best_cell import best_cell, best_sentence
from ssdbench.report.summary.environment import describe_environment, host_names, processors
from ssdbench.report.summary.findings import findings
from ssdbench.report.summary.provenance import provenance_marks
from ssdbench.report.summary.published_rows import explain, match_published
from ssdbench.report.summary.sweep_rows import sweep_rows
from ssdbench.report.summary.verdicts import verdict_columns, verdict_sentence
from ssdbench.report.words import CELL_WORDS, cell_name, count

_TIMES = ("latency_p50_ms", "latency_p90_ms", "throughput_ips")
_MORE_TIMES = ("end_to_end_p50_ms", "end_to_end_p90_ms", "load_ms", "first_call_ms")
_SPEEDS = ("speed", "speed_low", "speed_high")
_TIMING_DETAILS = ("rounds", "cycles", "queries", "stages", "per_round", "speeds", "machine", "pace", "cores")
_RANGE = ("latency_p50_low_ms", "latency_p50_high_ms")

COLUMNS = (
    "model", "protocol", "framework", "precision", "status", "reason", "images",
    *METRICS,
    *_SPEEDS, "speed_verdict", "speed_reference",
    *_TIMES, "timing_valid", "timing_reason", "model_mb", "peak_rss_mb",
    "dataset", "setting", *_MORE_TIMES, "AP_change", "AP_share", "detections", "log",
    "verdict", "AP_change_low", "AP_change_high", "latency_p50_low_ms", "latency_p50_high_ms",
    "parity", "expected_AP", "looks_like", "timed_host",
)  # fmt: skip


def build_summary(runs: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the report says about the cells, as JSON-ready data; all that follows is formatting.

    Args:
        runs: the cells' run.json, in the order of the report.
        context: what the cells share:
            `kind`: `dataset` or `published`; `tag`: the dataset tag, or `published`;
            `images`: the image lists (images.json), one per dataset tag of the runs;
            `reference`: {framework, precision}; `share`: of the reference's AP that a cell is to keep;
            `models`: {name: {title, licence, trained_on, source, references}};
            `protocols`: {name: {summary, differences}}; `published`: as `load_published` gives it;
            `code`: {step: {framework: sha256 of the code that makes such results now}};
            `config`: the configuration used; `first_use`: [{name, sha256}] files trusted on first use;
            `settings`, `sweep`, `unsupported_settings`: as `sweep_rows` takes them;
            `draws`: bootstrap draws by cell id, of the cells that published rows are explained with;
            `licences`: [{what, licence}] of datasets and models; `made`: when, as text.
            All but `kind`, `tag` and `reference` may be left out.

    Returns:
        {kind, tag, made, is_sample, reference, datasets, models, config, first_use, licences, rows, sweep, groups,
        details, published, explanations, environment}. `rows` have the keys COLUMNS, `id`, `is_reference`,
        `verdict_words`, `timed_on` (its processors), `marks` (sentences on its provenance) and `missing` (why a
        column is empty); `sweep` is as `sweep_rows` gives it. A missing number is None, never zero. A group's `verdict`
        is a sentence, empty where no cell of it has one.
    """
    rows = [_row(run) for run in runs]
    for row, marks in zip(rows, provenance_marks(runs, context.get("code", {})), strict=True):
        row["marks"] = marks
    if context["kind"] == "published":  # rows that reproduce published ones are not compared with one another
        for row in rows:
            row |= {**dict.fromkeys(_SPEEDS), "speed_verdict": "", "speed_reference": "", "speed_more_s": None}
    details = {row["id"]: _details(run) for row, run in zip(rows, runs, strict=True)}
    groups = _groups(rows, details, context)
    datasets = [_dataset(images) for images in context.get("images", [])]
    return {
        "kind": context["kind"],
        "tag": context["tag"],
        "made": context.get("made", ""),
        "is_sample": any(dataset["dataset"] == "sample" for dataset in datasets),
        "reference": dict(context["reference"]),
        "datasets": datasets,
        "models": {name: _model(name, context) for name in dict.fromkeys(row["model"] for row in rows)},
        "config": context.get("config", {}),
        "first_use": list(context.get("first_use", [])),
        "licences": list(context.get("licences", [])),
        "rows": rows,
        "sweep": sweep_rows(rows, runs, context),
        "groups": groups,
        "details": details,
        "published": match_published(context.get("published"), rows, all_rows=context["kind"] == "published"),
        "explanations": explain(context.get("published"), rows, context.get("draws", {})),
        "environment": describe_environment({row["id"]: run for row, run in zip(rows, runs, strict=True)}),
    }


def _number(part: Mapping[str, Any], key: str) -> float | int | None:
    value = part.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def _row(run: Mapping[str, Any]) -> dict[str, Any]:
    cell = {word: run["cell"][word] for word in CELL_WORDS}
    card, metrics, timing, diagnosis = (run.get(part) or {} for part in ("card", "metrics", "timing", "diagnosis"))
    # pycocotools gives -1 where no object of that size exists: nothing was measured.
    scores = {name: _number(metrics.get("metrics") or {}, name) for name in METRICS}
    scores = {name: None if value is not None and value < 0 else value for name, value in scores.items()}
    size = _number(card, "size")
    valid = timing.get("timing_valid")
    return {
        "id": "/".join(cell.values()),
        **cell,
        "status": run["status"],
        "reason": run.get("reason") or "",
        "log": run.get("log") or "",
        "images": _number(run.get("detect") or {}, "images"),
        **scores,
        **{name: _number(timing, name) for name in (*_TIMES, *_MORE_TIMES, *_RANGE, "peak_rss_mb")},
        **{name: _number(timing, name) for name in (*_SPEEDS, "speed_more_s")},
        "speed_verdict": timing.get("speed_verdict") or "",
        "speed_reference": timing.get("speed_reference") or "",
        "timing_valid": valid if isinstance(valid, bool) else None,
        "timing_reason": timing.get("timing_reason") or "",
        "model_mb": None if size is None else size / 1e6,
        "setting": timing.get("setting") or "",
        "AP_change": None,
        "AP_share": None,
        **verdict_columns(run.get("comparison")),
        "detections": _number(metrics, "detections"),
        "timed_on": processors(timing),
        "timed_host": " ".join(host_names(timing)),
        "parity": _parity(run.get("parity")),
        "looks_like": diagnosis["sentence"] if diagnosis.get("asked") else "",
        "expected_AP": (run.get("expected") or {}).get("AP"),
        "marks": [],
        "notes": list(metrics.get("notes") or []),
        "is_reference": False,
        "missing": _missing(run, scores),
    }


def _parity(parity: Mapping[str, Any] | None) -> str:
    """The first rung of a cell's ladder that is outside its tolerance, `agrees`, or empty where it has no ladder."""
    if not parity or parity["status"] != "ok":
        return ""
    return str(parity["first_departure"] or "agrees")


def _missing(run: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, str]:
    """Why columns are empty, by column; the key `*` answers for all that are not named."""
    reasons = {"*": "not measured"}
    if run["status"] != "ok":
        reasons = {"*": f"{run['status']}: {run.get('reason') or 'no reason was recorded'}"}
    if run["status"] == "ok" and not run.get("metrics"):
        reasons |= dict.fromkeys(METRICS, "no annotations were given")
    metrics, timing = run.get("metrics") or {}, run.get("timing") or {}
    if scores["AP"] is not None:
        reasons |= dict.fromkeys(METRICS, "no object of this size in the ground truth")
    elif metrics.get("reason"):
        reasons |= dict.fromkeys(METRICS, metrics["reason"])
    if timing.get("reason"):
        reasons |= dict.fromkeys((*_SPEEDS, *_TIMES, *_MORE_TIMES, "peak_rss_mb"), timing["reason"])
    elif timing and timing.get("speed") is None:
        reasons |= dict.fromkeys(_SPEEDS, "no other cell of this table was timed in the same turns")
    return reasons


def _groups(
    rows: Sequence[dict[str, Any]], details: Mapping[str, Any], context: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Rows by dataset, model and protocol; only within a group is anything compared. Fills in the changes."""
    members: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in rows:
        members.setdefault((row["dataset"], row["model"], row["protocol"]), []).append(row)
    wanted = context["reference"]
    groups = []
    for number, ((dataset, model, protocol), group_rows) in enumerate(members.items(), start=1):
        reference = next((row for row in group_rows if all(row[key] == wanted[key] for key in wanted)), None)
        reason = _set_changes(group_rows, reference, cell_name(wanted))
        best = best_cell(group_rows, context.get("share", 0.99))
        description = context.get("protocols", {}).get(protocol, {})
        groups.append(
            {
                "id": f"g{number}",
                "dataset": dataset,
                "model": model,
                "protocol": protocol,
                "title": _model(model, context)["title"],
                "summary": description.get("summary", ""),
                "differences": list(description.get("differences", [])),
                "reference": reference["id"] if reference else None,
                "reference_reason": reason,
                "cells": [row["id"] for row in group_rows],
                "best": best["id"] if best else None,
                "best_sentence": best_sentence(
                    best, reference, context.get("share", 0.99), any(row["verdict"] for row in group_rows)
                ),
                "findings": findings(group_rows, reference),
                "verdict": verdict_sentence([part for row in group_rows if (part := details[row["id"]]["comparison"])]),
            }
        )
    return groups


def _set_changes(rows: Sequence[dict[str, Any]], reference: dict[str, Any] | None, name: str) -> str:
    """Set each row's change from the reference; returns why there are none, or an empty text."""
    if reference is None:
        reason = f"the reference cell, {name}, is not among the cells of this group"
    elif reference["AP"] is None:
        why = reference["missing"].get("AP", reference["missing"]["*"])
        reason = f"the reference cell, {name}, has no AP ({why})"
    else:
        reason = ""
    for row in rows:
        row["is_reference"] = row is reference
        why = reason or row["missing"].get("AP") or row["missing"]["*"]
        row["missing"] |= {"AP_change": why, "AP_share": why, "verdict": why}
        if reference is None or reference["AP"] is None or row["AP"] is None or row is reference:
            continue
        row["AP_change"] = row["AP"] - reference["AP"]
        row["AP_share"] = row["AP"] / reference["AP"] if reference["AP"] > 0 else None
        row["missing"]["verdict"] = "no comparison was recorded"
    if reference is not None:
        reference["missing"] |= dict.fromkeys(("AP_change", "AP_share", "verdict"), "this is the reference")
    return reason


def _dataset(images: Mapping[str, Any]) -> dict[str, Any]:
    listed = images.get("images", [])
    return {
        "tag": images["tag"],
        "dataset": images["dataset"],
        "images": len(listed),
        "count": count(len(listed), "image"),
        "annotations_sha256": images.get("annotations_sha256") or "",
        "notes": list(images.get("notes", [])),
    }


def _model(name: str, context: Mapping[str, Any]) -> dict[str, Any]:
    row = context.get("models", {}).get(name, {})
    return {
        "title": row.get("title") or name,
        "licence": row.get("licence") or "",
        "trained_on": row.get("trained_on") or "",
        "source": row.get("source") or "",
        "references": list(row.get("references") or []),
    }


def _details(run: Mapping[str, Any]) -> dict[str, Any]:
    """What only the report's closer views show of a cell."""
    card, detect, metrics, timing = (run.get(part) or {} for part in ("card", "detect", "metrics", "timing"))
    # What a runtime says that it runs in int8 goes before what the file promises.
    card = card | {key: value for key, value in (detect.get("runtime") or {}).items() if key == "int8_share"}
    kept = ("file", "graph_kind", "sha256", "ops", "int8_share", "notes", "calibration", "check")
    return {
        "per_class": list(metrics.get("per_class") or []),
        "log_tail": list(run.get("log_tail") or []) if run["status"] == "failed" else [],
        **{part: run.get(part) for part in ("comparison", "parity", "errors", "diagnosis", "parts", "expected")},
        "timing": {key: timing[key] for key in _TIMING_DETAILS if timing.get(key) is not None},
        "artifact": {key: card.get(key) for key in kept if card.get(key) is not None},
    }
