"""Where and with what the cells ran: facts that all share once, facts that differ beside each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def describe_environment(runs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Sort the recorded facts of all cells that ran into sections.

    Args:
        runs: run.json by cell id. Where and with what a cell ran is what its own steps recorded: `host`,
            `runtime`, `versions` and `code_sha256` of `timing` (each a list where rounds differ) and `detect`, and
            `card.versions`. `provenance.host` is of the machine that put the records together, and is not read.

    Returns:
        [{title, facts: [{key, values: [{text, cells}]}]}]. A fact has one value with an empty list of cells where
        all cells that recorded anything for its section agree; unsupported cells recorded nothing.
    """
    ran = {cell: run for cell, run in runs.items() if run["status"] != "unsupported"}

    def recorded(step: str, key: str) -> dict[str, list[Any]]:
        return {cell: as_list((run.get(step) or {}).get(key)) for cell, run in ran.items()}

    def detected_otherwise(key: str) -> list[dict[str, Any]]:
        timed = recorded("timing", key)
        return fold({cell: _other(facts, timed[cell]) for cell, facts in recorded("detect", key).items()}, named=True)

    timed, detected = recorded("timing", "versions"), recorded("detect", "versions")
    sections = {
        "Machine that timed": fold(recorded("timing", "host")),
        "Machine that detected, where it differs": detected_otherwise("host"),
        "Runtime that was timed": fold(recorded("timing", "runtime")),
        "Runtime that detected, where it differs": detected_otherwise("runtime"),
        "Packages that ran": fold({cell: timed[cell] + detected[cell] for cell in ran}),
        "Packages that converted": fold(recorded("card", "versions")),
        "Provenance": fold({cell: [_provenance(run)] for cell, run in ran.items()}),
    }
    return [{"title": title, "facts": facts} for title, facts in sections.items() if facts]


def processors(timing: Mapping[str, Any]) -> list[str]:
    """The processors that a cell's rounds were timed on, each once; mostly one.

    Several share a name, as those of virtual machines do, so family and model belong to it.
    """
    names = []
    for host in as_list(timing.get("host")):
        kind = str(host.get("cpu_id") or "").partition(" microcode")[0]
        names += [str(host["cpu"]) + (f" ({kind})" if kind else "")] if host.get("cpu") else []
    return list(dict.fromkeys(names))


def host_names(timing: Mapping[str, Any]) -> list[str]:
    """The hosts that a cell's rounds were timed on, each once."""
    names = (host.get("hostname") for host in as_list(timing.get("host")))
    return list(dict.fromkeys(str(name) for name in names if name))


def fold(facts: Mapping[str, Sequence[Mapping[str, Any]]], *, named: bool = False) -> list[dict[str, Any]]:
    """Records by cell -> values by fact; nested keys are joined by a dot, equal values of cells come once.

    Args:
        facts: by cell; a cell may have several records, or none.
        named: name the cells also where all agree.
    """
    values: dict[str, dict[str, list[str]]] = {}
    for cell, records in facts.items():
        for key, text in dict.fromkeys(pair for record in records for pair in _flat(record)):
            values.setdefault(key, {}).setdefault(text, []).append(cell)
    everyone = [cell for cell, records in facts.items() if any(records)]
    folded = []
    for key, cells_of in values.items():
        agree = not named and list(cells_of.values()) == [everyone]
        pairs = [{"text": text, "cells": [] if agree else cells} for text, cells in cells_of.items()]
        folded.append({"key": key, "values": pairs})
    return folded


def _other(found: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of the records found, the facts that a known record does not have; all where none is known."""
    return [
        {
            key: value
            for key, value in record.items()
            if not known or any(key not in k or k[key] != value for k in known)
        }
        for record in found
    ]


def _provenance(run: Mapping[str, Any]) -> dict[str, Any]:
    """Hashes, configuration and time; the code of each step, and the packages that put the records together."""
    part = run.get("provenance") or {}
    rest = {key: value for key, value in part.items() if key not in ("host", "versions", "code_sha256")}
    code = {f"{step}_code_sha256": (run.get(step) or {}).get("code_sha256") for step in ("detect", "timing")}
    return {**rest, **code, "collected_with": part.get("versions") or {}}


def as_list(value: Any) -> list[Any]:
    """A fact that may be of several rounds: a list of the different values, the value itself, or nothing."""
    return value if isinstance(value, list) else [value] if value else []


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
