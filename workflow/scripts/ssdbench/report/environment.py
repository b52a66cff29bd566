"""Where and with what the cells ran: facts that all share once, facts that differ beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_STEP_KEYS = ("status", "reason", "log", "images", "seconds", "images_per_second")


def describe_environment(runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Sort the recorded facts of all cells that ran into sections.

    Args:
        runs: run.json by cell id. Read are `provenance` (`host`, `versions`, and all else it holds), what
            `detect` says beyond its own bookkeeping, and `card.versions`.

    Returns:
        {cpu: text, sections: [{title, facts: [{key, values: [{text, cells}]}]}]}. A fact has one value with
        an empty list of cells where all cells that recorded it agree; unsupported cells recorded nothing.
    """
    ran = {cell: run for cell, run in runs.items() if run["status"] != "unsupported"}
    provenance = {cell: run.get("provenance") or {} for cell, run in ran.items()}
    hosts = {cell: part.get("host") or {} for cell, part in provenance.items()}
    rest = {
        cell: {key: value for key, value in part.items() if key not in ("host", "versions")}
        for cell, part in provenance.items()
    }
    runtime = {
        cell: {key: value for key, value in (run.get("detect") or {}).items() if key not in _STEP_KEYS}
        for cell, run in ran.items()
    }
    sections = {
        "Machine": hosts,
        "Packages that ran": {cell: part.get("versions") or {} for cell, part in provenance.items()},
        "Packages that converted": {cell: (run.get("card") or {}).get("versions") or {} for cell, run in ran.items()},
        "Runtime of each cell": runtime,
        "Provenance": rest,
    }
    folded = [{"title": title, "facts": fold(facts)} for title, facts in sections.items()]
    return {"cpu": _cpu(hosts), "sections": [section for section in folded if section["facts"]]}


def fold(facts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Facts by cell -> values by fact; nested keys are joined by a dot, equal values of cells come once."""
    values: dict[str, dict[str, list[str]]] = {}
    for cell, record in facts.items():
        for key, text in _flat(record):
            values.setdefault(key, {}).setdefault(text, []).append(cell)
    folded = []
    for key, cells_of in values.items():
        agree = len(cells_of) == 1
        pairs = [{"text": text, "cells": [] if agree else cells} for text, cells in cells_of.items()]
        folded.append({"key": key, "values": pairs})
    return folded


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value)) if value else "none"
        elif value is not None and value != "":
            yield (
                name,
                {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value),
            )


def _cpu(hosts: Mapping[str, Mapping[str, Any]]) -> str:
    """The processor all cells ran on, or nothing where it is unknown or they differ."""
    names = {str(host["cpu"]) for host in hosts.values() if host.get("cpu")}
    return names.pop() if len(names) == 1 else ""
