"""The report as one self-contained HTML file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ssdbench.bootstrap import METRICS as COMPARED
from ssdbench.evaluation import METRICS
from ssdbench.report import pictures as picture_rules
from ssdbench.report import words
from ssdbench.report.figures import Canvas, scatter, series_of
from ssdbench.report.summary import row_notes
from ssdbench.report.verdicts import interval_table, percent, verdict_notes

_WIDE = Canvas(740, 400)
_STYLES = ("style.css", "causes.css")
_SCRIPTS = ("tables.js", "plot.js", "pictures.js")
_NARROW = Canvas(370, 380, font=12.5, left=44.0, right=12.0)


def render_page(summary: Mapping[str, Any], pictures: Sequence[Mapping[str, Any]]) -> str:
    """The whole report as HTML that needs no other file and may load none.

    The page's own style and script are allowed by their hashes in its content security policy, images as data
    URIs; everything else is forbidden. All text from outside is escaped.

    Args:
        summary: as `build_summary` gives it. pictures: as `build_pictures` gives them, of all dataset tags.
    """
    templates = Environment(
        loader=PackageLoader("ssdbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {name: getattr(words, name) for name in ("accuracy", "change", "share", "quantity", "count")}
    templates.filters["percent"] = percent
    templates.globals |= {name: getattr(words, name) for name in ("shown", "cell_name", "framework_name", "interval")}
    templates.globals |= {"is_address": _is_address, "DASH": words.DASH}
    style, script = (_assets(templates, names) for names in (_STYLES, _SCRIPTS))
    rows = {row["id"]: row for row in summary["rows"]}
    series = series_of(summary["rows"])
    details = summary["details"]
    compared = {cell: part for cell in rows if (part := details[cell]["comparison"])}
    groups = [
        {
            **group,
            **_figures([rows[cell] for cell in group["cells"]], series),
            "intervals": _intervals(group, rows, compared),
        }
        for group in summary["groups"]
    ]
    readable = [picture for picture in pictures if not picture["problem"]]
    drawn = {cell for picture in readable for cell in picture["cells"]}
    return templates.get_template("template.html.j2").render(
        summary=summary,
        rows=rows,
        groups=groups,
        series=series,
        titles=_titles(summary),
        lede=_lede(summary),
        metrics=METRICS,
        compared_metrics=COMPARED,
        comparison=next(iter(compared.values()), None),
        class_tables=[table for group in summary["groups"] if (table := _class_table(group, rows, details))],
        published_sources=_sources(summary["published"]),
        pictures=readable,
        unreadable=[picture for picture in pictures if picture["problem"]],
        drawn_cells=drawn,
        first_drawn=_first_drawn(summary, drawn),
        picture_data={"cells": _cell_labels(summary), "pictures": [_drawn(picture) for picture in readable]},
        shown_score=picture_rules.SHOWN_SCORE,
        match_iou=picture_rules.MATCH_IOU,
        config=yaml.safe_dump(summary["config"], sort_keys=False, allow_unicode=True, width=100),
        style=style,
        script=script,
        policy="; ".join(
            [
                "default-src 'none'",
                "img-src data:",
                f"style-src '{_digest(style)}'",
                f"script-src '{_digest(script)}'",
                "base-uri 'none'",
                "form-action 'none'",
            ]
        ),
    )


def _assets(templates: Environment, names: Sequence[str]) -> Markup:
    assert templates.loader is not None
    sources = [templates.loader.get_source(templates, name)[0] for name in names]
    return Markup("\n".join(sources))  # noqa: S704 (our own files, not input)


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


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


def _lede(summary: Mapping[str, Any]) -> str:
    """What was measured, in one sentence."""
    ran = [row for row in summary["rows"] if row["status"] != "unsupported"]
    models = words.listed([model["title"] for model in summary["models"].values()])
    places = words.listed([f"{dataset['count']} ({dataset['tag']})" for dataset in summary["datasets"]])
    settings = words.listed(list(dict.fromkeys(words.setting_words(row["setting"]) for row in ran if row["setting"])))
    timed = f" and timed at {settings}{_processors(ran)}" if settings else ""
    return f"{words.count(len(ran), 'cell')} of {models} on {places or summary['tag']}, scored by pycocotools{timed}."


def _processors(rows: Sequence[Mapping[str, Any]]) -> str:
    cpus = list(dict.fromkeys(cpu for row in rows for cpu in row["timed_on"]))
    if len(cpus) < 2:
        return "".join(f" on {cpu}" for cpu in cpus)
    return f" on {len(cpus)} different processors, whose latencies do not compare: {words.listed(cpus)}"


def _figures(rows: Sequence[Mapping[str, Any]], series: Mapping[str, int]) -> dict[str, Any]:
    notes = [{"text": note, "is_trouble": row["status"] != "unsupported"} for row in rows for note in row_notes(row)]
    notes += [{"text": note, "is_trouble": False} for note in verdict_notes(rows)]
    largest = max((row["model_mb"] for row in rows if row["model_mb"] is not None), default=None)
    return {
        "wide": scatter(rows, series, _WIDE),
        "narrow": scatter(rows, series, _NARROW),
        "largest_mb": largest,
        "has_invalid": any(row["timing_valid"] is False for row in rows),
        "notes": notes,
    }


def _intervals(
    group: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], compared: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    cells = [cell for cell in group["cells"] if cell in compared]
    names = {cell: words.cell_name(rows[cell]) for cell in cells}
    return interval_table({cell: compared[cell] for cell in cells}, names, COMPARED)


def _class_table(
    group: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]], details: Mapping[str, Any]
) -> dict[str, Any] | None:
    """AP of each class, one column per cell that has any; None where no cell has."""
    cells = [cell for cell in group["cells"] if details[cell]["per_class"]]
    if not cells:
        return None
    scores = {cell: {entry["category_id"]: entry["AP"] for entry in details[cell]["per_class"]} for cell in cells}
    lines = []
    for entry in details[cells[0]]["per_class"]:
        values = [scores[cell].get(entry["category_id"]) for cell in cells]
        # pycocotools gives -1 for a class without objects.
        values = [None if value is None or value < 0 else value for value in values]
        if any(value is not None for value in values):
            lines.append({"name": entry["name"], "truths": entry.get("truths"), "values": values})
    return {**group, "columns": [words.cell_name(rows[cell]) for cell in cells], "lines": lines}


def _first_drawn(summary: Mapping[str, Any], drawn: set[str]) -> str:
    """The cell whose boxes the pictures show at first: a reference where one has boxes."""
    rows = [row for row in summary["rows"] if row["id"] in drawn]
    return str(next((row["id"] for row in [*filter(lambda row: row["is_reference"], rows), *rows]), ""))


def _sources(published: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sources of the published rows shown, each once."""
    entries = {entry["source"]: entry for entry in published}
    return [
        {"title": entry["source_title"], "url": entry["source_url"], "notes": entry["source_notes"]}
        for entry in entries.values()
    ]


def _cell_labels(summary: Mapping[str, Any]) -> dict[str, str]:
    return {row["id"]: words.cell_name(row) for row in summary["rows"]}


def _drawn(picture: Mapping[str, Any]) -> dict[str, Any]:
    """What the script draws on a picture."""
    return {key: picture[key] for key in ("file_name", "width", "height", "truths", "cells")}
