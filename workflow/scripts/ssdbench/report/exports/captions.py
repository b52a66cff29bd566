"""The facts beside an exported figure or table: what was measured, on which machine, with which software."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.words import count, listed, one_line, setting_words


def conditions(summary: Mapping[str, Any], group: Mapping[str, Any]) -> list[str]:
    """The facts behind a group's figures: model, protocol, images, setting, processor and versions.

    Args:
        summary: as `build_summary` gives it. group: one of its groups.
    """
    rows = rows_of(summary, group)
    images = [dataset["count"] for dataset in summary["datasets"] if dataset["tag"] == group["dataset"]]
    kind = ["the embedded sample, which is not COCO"] if summary["is_sample"] else []
    settings = dict.fromkeys(setting_words(row["setting"]) for row in rows if row["setting"])
    processors = list(dict.fromkeys(name for row in rows for name in row["timed_on"]))
    different = f"{count(len(processors), 'processor')}, whose milliseconds do not compare: "
    facts = [
        f"{group['title']}, protocol {group['protocol']}",
        ", ".join([group["dataset"], *images, *kind]),
        listed(list(settings)),
        (different if len(processors) > 1 else "") + listed(processors),
        ", ".join(_versions(summary, group)),
    ]
    return [fact for text in facts if (fact := one_line(text))]


def rows_of(summary: Mapping[str, Any], group: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The summary's rows of a group, in the group's order."""
    rows = {row["id"]: row for row in summary["rows"]}
    return [rows[cell] for cell in group["cells"]]


def _versions(summary: Mapping[str, Any], group: Mapping[str, Any]) -> list[str]:
    """The packages that ran the group's cells."""
    cells = set(group["cells"])
    sections: Sequence[Mapping[str, Any]] = summary["environment"]
    facts = [fact for section in sections if section["title"] == "Packages that ran" for fact in section["facts"]]
    versions = {
        fact["key"]: [part["text"] for part in fact["values"] if not part["cells"] or cells & set(part["cells"])]
        for fact in facts
    }
    return [f"{name} {listed(texts)}" for name, texts in versions.items() if texts]
