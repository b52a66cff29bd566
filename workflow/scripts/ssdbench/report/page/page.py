"""The report as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ssdbench.coco.metric_names import METRICS
from ssdbench.evaluation.bootstrap import COMPARED_METRICS
from ssdbench.report import words
from ssdbench.report.page.assets import assets, content_policy, page_templates
from ssdbench.report.page.difference_sections import differences
from ssdbench.report.page.label_placement import Canvas
from ssdbench.report.page.ladder_table import RUNGS
from ssdbench.report.page.svg_figures import LATENCY, SPEED, scatter
from ssdbench.report.page.sweep_section import sweep_part
from ssdbench.report.page.table_notes import agreement_sentence, doubts, filters, folded_title, group_notes
from ssdbench.report.page.timing_table import STAGES, machine_sentence, timing_table
from ssdbench.report.summary.pareto import series_of
from ssdbench.report.summary.verdicts import interval_table, percent, verdict_notes

_WIDE = Canvas(740, 400)
_STYLES = ("style.css", "causes.css", "sweep.css")
_SCRIPTS = ("tables.js", "filter.js", "plot.js", "pictures.js")
_NARROW = Canvas(370, 380, font=12.5, left=44.0, right=12.0)


def render_page(summary: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> str:
    """The whole report as HTML that needs no other file and may load none.

    The page's own style and script are allowed by their hashes in its content security policy, images as data
    URIs; everything else is forbidden. All text from outside is escaped.

    Args:
        summary: as `build_summary` gives it. pictures: as `build_pictures` gives them, of all dataset tags.
    """
    templates = page_templates()
    templates.filters |= {
        name: getattr(words, name) for name in ("accuracy", "change", "share", "quantity", "count", "factor")
    }
    templates.filters["percent"] = percent
    templates.globals |= {name: getattr(words, name) for name in ("shown", "cell_name", "framework_name", "interval")}
    templates.globals |= {"is_address": _is_address, "DASH": words.DASH}
    style, script = (assets(templates, names) for names in (_STYLES, _SCRIPTS))
    rows = {row["id"]: row for row in summary["rows"]}
    groups = [_group(group, summary, rows) for group in summary["groups"]]
    is_scored = any(group["is_scored"] for group in groups)
    return templates.get_template("template.html.j2").render(
        summary=summary,
        rows=rows,
        groups=groups,
        series=series_of(summary["rows"]),
        is_scored=is_scored,
        filters=filters(summary["rows"]),
        rung_words={name: title if title.isupper() else title.lower() for name, title in RUNGS.items()},
        stage_titles=STAGES,
        titles=_titles(summary),
        lede=_lede(summary, is_scored),
        metrics=METRICS,
        compared_metrics=COMPARED_METRICS,
        comparison=next(filter(None, (part["comparison"] for part in summary["details"].values())), None),
        **differences(summary, pictures),
        published_sources=_sources(summary["published"]),
        config=yaml.safe_dump(summary["config"], sort_keys=False, allow_unicode=True, width=100),
        style=style,
        script=script,
        policy=content_policy(style, script),
    )


def _is_address(text: str) -> bool:
    """Whether a text may become a link; `javascript:` and its like may not."""
    return text.startswith(("https://", "http://"))


def _titles(summary: Mapping[str, Any]) -> dict[str, str]:
    """How each cell is called outside its group: with as many words as tell the groups of this page apart."""
    groups = summary["groups"]
    titles = {}
    for row in summary["rows"]:
        parts = [words.cell_name(row)]
        if len({group["protocol"] for group in groups}) > 1:
            parts.append(row["protocol"])
        if len({group["model"] for group in groups}) > 1:
            parts.append(row["model"])
        if len({group["dataset"] for group in groups}) > 1:
            parts.append(row["dataset"])
        titles[row["id"]] = ", ".join(parts)
    return titles


def _lede(summary: Mapping[str, Any], is_scored: bool) -> str:
    """Which cell to take, and what was measured."""
    ran = [row for row in summary["rows"] if row["status"] != "unsupported"]
    models = words.listed([model["title"] for model in summary["models"].values()])
    places = words.listed([f"{dataset['count']} ({dataset['tag']})" for dataset in summary["datasets"]])
    settings = words.listed(list(dict.fromkeys(words.setting_words(row["setting"]) for row in ran if row["setting"])))
    measured = ["scored by COCO's rules"] if is_scored else []
    measured += [f"timed at {settings}{_processors(ran)}"] if settings else []
    best = [group for group in summary["groups"] if group["best_sentence"]]
    names = {group["id"]: f"{group['title']}, {group['protocol']}: " if len(best) > 1 else "" for group in best}
    advice = "".join(f"{names[group['id']]}{group['best_sentence']} " for group in best)
    sentence = f"{advice}{words.count(len(ran), 'cell')} of {models} on {places or summary['tag']}"
    sentence += f", {words.listed(measured)}." if measured else "."
    unscored = " No annotations were given, so this report says how far the cells agree and how fast they are."
    return sentence + ("" if is_scored else unscored)


def _processors(rows: Sequence[Mapping[str, Any]]) -> str:
    cpus = list(dict.fromkeys(cpu for row in rows for cpu in row["timed_on"]))
    if len(cpus) < 2:
        return "".join(f" on {cpu}" for cpu in cpus)
    return f" on {len(cpus)} different processors, whose milliseconds do not compare: {words.listed(cpus)}"


def _group(group: Mapping[str, Any], summary: Mapping[str, Any], rows: Mapping[str, Any]) -> dict[str, Any]:
    """A group with all that its tables and figures show."""
    own, details = [rows[cell] for cell in group["cells"]], summary["details"]
    annotated = {dataset["tag"] for dataset in summary["datasets"] if dataset["annotations_sha256"]}
    series = series_of(summary["rows"])
    return {
        **group,
        "is_scored": group["dataset"] in annotated or any(row["AP"] is not None for row in own),
        "agreement": agreement_sentence(own),
        "wide": scatter(own, series, _WIDE, SPEED),
        "narrow": scatter(own, series, _NARROW, SPEED),
        "wide_ms": scatter(own, series, _WIDE, LATENCY),
        "narrow_ms": scatter(own, series, _NARROW, LATENCY),
        "machine": machine_sentence(own, details),
        "speed_reference": next((_speed_base(row) for row in own if row["speed_reference"]), "no cell"),
        "has_valid": any(row["timing_valid"] is not False and row["latency_p50_ms"] is not None for row in own),
        "has_invalid": any(row["timing_valid"] is False for row in own),
        "slowest_ms": _largest(own, "latency_p50_ms"),
        "largest_mb": _largest(own, "model_mb"),
        "timing": timing_table(own, details),
        "sweep": sweep_part(own, summary["sweep"], series),
        "notes": (notes := group_notes(own, details)),
        "folded_title": folded_title(notes),
        "doubts": {row["id"]: doubts(row, details[row["id"]]) for row in own},
        "intervals": _intervals(own, details),
        "verdict_notes": verdict_notes(own),
    }


def _speed_base(row: Mapping[str, Any]) -> str:
    """The cell whose speed is 1, by its name."""
    framework, _, precision = row["speed_reference"].partition("/")
    return words.cell_name({"framework": framework, "precision": precision})


def _largest(rows: Sequence[Mapping[str, Any]], column: str) -> float | None:
    return max((row[column] for row in rows if row[column] is not None), default=None)


def _intervals(rows: Sequence[Mapping[str, Any]], details: Mapping[str, Any]) -> dict[str, Any] | None:
    compared = {row["id"]: part for row in rows if (part := details[row["id"]]["comparison"])}
    table = interval_table(compared, {row["id"]: words.cell_name(row) for row in rows}, COMPARED_METRICS)
    if table is None:
        return None
    return {**table, "lines": [{**line, "cell": cell} for cell, line in zip(compared, table["lines"], strict=True)]}


def _sources(published: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sources of the published rows shown, each once."""
    entries = {entry["source"]: entry for entry in published}
    return [
        {"title": entry["source_title"], "url": entry["source_url"], "notes": entry["source_notes"]}
        for entry in entries.values()
    ]
