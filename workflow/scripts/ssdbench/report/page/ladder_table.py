"""Where a difference comes from: the parity ladders of a group's cells, and the causes that were tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ssdbench.diagnosis.tolerances import TOLERANCES, Tolerance
from ssdbench.report.words import DASH, accuracy, cell_name, change, count, listed

Record = Mapping[str, Any]

RUNGS = {"pixels": "Input pixels", "heads": "Raw heads", "boxes": "Boxes", "ap": "AP"}
_SUBJECTS = {**{name: title.lower() for name, title in RUNGS.items()}, "ap": "AP"}
_NOT_COMPARED = {
    "pixels": "not recorded",
    "heads": "these graphs show none",
    "boxes": "not recorded",
    "ap": "no ground truth",
}


def ladder_table(group: Record, rows: Mapping[str, Record], details: Mapping[str, Record]) -> dict[str, Any] | None:
    """The ladders of one group; None where nothing was compared with a reference and there is nothing else to tell.

    Returns:
        {the group's keys, findings: sentences on the group, lines: one per cell but the reference, told: the cells that
        have more to tell}. A line is {name, rungs, reason}: `reason` says why it was not compared, and `rungs` are then
        empty; else they are {title, state: agrees | departs | missing, words, allowed, figures: [text], is_first}, one
        for each of RUNGS. What is told is {name, sentence, facts, figures, diagnosis, trials, ...}, see `_told`.
    """
    diagnoses = {cell: details[cell]["diagnosis"] for cell in group["cells"]}
    parities = {cell: details[cell]["parity"] for cell in group["cells"]}
    if not any(parities.values()) and not any(_is_told(one) for one in diagnoses.values()):
        return None
    others = [rows[cell] for cell in group["cells"] if not rows[cell]["is_reference"]]
    told = [_told(rows[cell], parities[cell], diagnoses[cell], details[cell]["expected"]) for cell in group["cells"]]
    return {
        **group,
        "findings": departure_findings(group, rows, details),
        "lines": [_line(row, parities[row["id"]]) for row in others] if any(parities.values()) else [],
        "told": [one for one in told if one],
    }


def departure_findings(group: Record, rows: Mapping[str, Record], details: Mapping[str, Record]) -> list[str]:
    """What the ladders of a group come to, in a sentence for each cell that departs and one for those that agree.

    Such as `First departure of TFLite int8: raw heads.`, with what it looks like; empty where nothing was compared.
    """
    compared = {cell: part for cell in group["cells"] if (part := _made(details[cell]["parity"]))}
    sentences = []
    for cell, parity in compared.items():
        if parity["first_departure"]:
            rung = _SUBJECTS[parity["first_departure"]]
            diagnosis = details[cell]["diagnosis"]
            looks_like = f" {diagnosis['sentence']}" if diagnosis and _is_told(diagnosis) else ""
            sentences.append(f"First departure of {cell_name(rows[cell])}: {rung}.{looks_like}")
    agreeing = [cell_name(rows[cell]) for cell, parity in compared.items() if not parity["first_departure"]]
    if not agreeing:
        return sentences
    if len(agreeing) == len(compared):
        who = "The one cell compared" if len(agreeing) == 1 else f"All {len(agreeing)} cells compared"
    else:
        who = listed(agreeing)
    verb, whose = ("agrees", "its") if len(agreeing) == 1 else ("agree", "their")
    return [*sentences, f"{who} {verb} with the reference on every rung, within what {whose} precision allows."]


def _made(part: Record | None) -> Record | None:
    """A part of a cell's record, where it was made and has something in it."""
    return part if part and part.get("status", "ok") == "ok" else None


def _is_told(diagnosis: Record | None) -> bool:
    return bool(diagnosis and diagnosis.get("sentence"))


def _line(row: Record, parity: Record | None) -> dict[str, Any]:
    made = _made(parity)
    if made is None:
        reason = (parity or {}).get("reason") or row["missing"]["*"]
        return {"name": cell_name(row), "rungs": [], "reason": reason}
    measured = {rung["name"]: rung for rung in made["rungs"]}
    return {
        "name": cell_name(row),
        "rungs": [_rung(name, measured.get(name), made) for name in RUNGS],
        "reason": "",
    }


def _rung(name: str, rung: Record | None, parity: Record) -> dict[str, Any]:
    is_first = parity["first_departure"] == name
    base = {"title": RUNGS[name], "allowed": "", "figures": [], "is_first": is_first}
    if rung is None:
        return {**base, "state": "missing", "words": _NOT_COMPARED[name]}
    figures = _main_figures(name, rung["figures"])
    if rung["outside"]:
        return {**base, "state": "departs", "words": "departs", "figures": figures}
    # Pixels agree or they do not; only what is computed may be off by what int8 costs.
    allowed = "within what int8 allows" if parity["precision"].startswith("int8") and name != "pixels" else ""
    return {**base, "state": "agrees", "words": "agrees", "allowed": allowed, "figures": figures}


def _main_figures(name: str, figures: Record) -> list[str]:
    """The figures of a rung that an overview shows, in lines; a figure that is None is left out."""
    every: dict[str, list[dict[str, Callable[[float], str]]]] = {
        "pixels": [{"different": lambda value: f"{value:,} of {count(figures['images'], 'image')} differ"}],
        "heads": [
            {
                "scores_relative": lambda value: f"scores {_percent(value)} off",
                "scores_cosine": lambda value: f"cosine {_cosine(value)}",
            },
            {
                "encodings_relative": lambda value: f"encodings {_percent(value)} off",
                "encodings_cosine": lambda value: f"cosine {_cosine(value)}",
            },
            {"top1_agreement": lambda value: f"{_percent(value)} same top class"},
        ],
        "boxes": [
            {
                "mean_iou": lambda value: f"mean IoU {accuracy(value)}",
                "class_flips": lambda value: f"{_percent(value)} another class",
            },
            {
                "score_shift": lambda value: f"scores {change(value, 4)}",
                "unmatched": lambda value: f"{_percent(value)} unmatched",
            },
        ],
        "ap": [{"change": lambda value: f"change {change(value, 4)}"}],
    }
    lines = [[words(figures[key]) for key, words in line.items() if figures[key] is not None] for line in every[name]]
    return [", ".join(line) for line in lines if line]


def _told(row: Record, parity: Record | None, diagnosis: Record | None, expected: Record | None) -> dict[str, Any]:
    """What is said of a cell below the table; empty where there is nothing.

    Returns:
        {name, sentence, facts, figures: [{rung, words, value, limit, is_outside, reason}], diagnosis, is_found, why:
        what led to the diagnosis, trials: [{name, looks_like, explained}], images: of the trials, layers: of int8, the
        ones that lose most: [{name, layer, share, loss, cut}]}.
    """
    made, told = _made(parity), diagnosis if _is_told(diagnosis) else None
    if made is None and told is None:
        return {}
    trials = told["trials"] if told else []
    return {
        "name": cell_name(row),
        "sentence": made["sentence"] if made else "",
        "facts": _facts(made) if made else "",
        "figures": _figures(made) if made else [],
        "diagnosis": told["sentence"] if told else "",
        "is_found": bool(told and told["causes"]),
        "why": _why(told, expected) if told else "",
        "trials": [{**trial, "explained": _explained(trial["explained"])} for trial in trials],
        "images": told["images"] if told else 0,
        "layers": _layers(told) if told else [],
    }


def _why(diagnosis: Record, expected: Record | None) -> str:
    if diagnosis["asked"] == "reference":
        return "Usual causes were tried, because the cell departs from its reference."
    if not expected:
        return "Usual causes were tried, because its AP is not the expected one."
    where = " on the held-out images" if expected["part"] == "held_out" else ""
    return (
        f"Usual causes were tried, because its AP of {accuracy(expected['ours'])}{where} is not the expected "
        f"{accuracy(expected['AP'])} ± {accuracy(expected['tolerance'])}."
    )


def _layers(diagnosis: Record) -> list[dict[str, str]]:
    layers = (diagnosis.get("int8") or {}).get("layers", [])
    numbers = {"share": "{:.1%}", "loss": "{:.2g}", "cut": "{:.2g}"}
    return [{**layer, **{key: form.format(layer[key]) for key, form in numbers.items()}} for layer in layers]


def _facts(parity: Record) -> str:
    """What the figures of a ladder are of."""
    figures = {rung["name"]: rung["figures"] for rung in parity["rungs"]}
    facts = [count(parity["images"], "image")]
    if heads := figures.get("heads"):
        anchors = f"{heads['confident_anchors']:,} confident anchors"
        facts.append(f"raw heads of {count(heads['images'], 'image')}, {anchors}")
    if boxes := figures.get("boxes"):
        facts.append(
            f"{count(boxes['cell_boxes'], 'box', 'boxes')} here, {boxes['reference_boxes']:,} of the reference"
        )
    if aps := figures.get("ap"):
        facts.append(f"AP {aps['cell']:.4f} here, {aps['reference']:.4f} of the reference")
    return "; ".join(facts)


def _figures(parity: Record) -> list[dict[str, Any]]:
    measured = {rung["name"]: rung for rung in parity["rungs"]}
    return [
        _figure(tolerance, measured[tolerance.rung], parity["precision"])
        for tolerance in TOLERANCES
        if tolerance.rung in measured
    ]


def _figure(tolerance: Tolerance, rung: Record, precision: str) -> dict[str, Any]:
    value, limit = rung["figures"][tolerance.figure], rung["limits"].get(tolerance.figure)
    if limit is None:
        bound = f"none at {precision}"
    else:
        bound = f"{'at least' if tolerance.least else 'at most'} {exact(limit)}"
    return {
        "rung": RUNGS[tolerance.rung],
        "words": tolerance.words,
        "value": DASH if value is None else exact(value),
        "limit": bound,
        "is_outside": tolerance.figure in rung["outside"],
        "reason": tolerance.reason,
    }


def exact(value: float) -> str:
    """A figure in three significant digits, below 0.0001 as a power of ten; close to 1, as many as tell it from 1."""
    size = abs(value)
    if size < 1e-4 and size:
        digits, power = f"{size:.1e}".split("e")
        text = f"{digits} × 10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    else:
        # Just below 1, two decimals more than there are nines; elsewhere three significant digits.
        nines = math.floor(-math.log10(1 - size) + 1e-6) if 0.99 < size < 1 else 0
        decimals = nines + 2 if nines else 2 - math.floor(math.log10(size)) if size else 0
        text = f"{size:,.{min(max(decimals, 0), 9)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return ("−" if value < 0 else "") + text


def _percent(ratio: float) -> str:
    """A share or a relative error for an overview."""
    value = 100 * ratio
    if 0 < value < 0.01:
        return "<0.01 %"
    if 99.99 < value < 100:
        return ">99.99 %"
    return f"{value:.{0 if value in (0, 100) else 2 if value < 1 or 99 < value < 100 else 1}f} %"


def _cosine(value: float) -> str:
    return f"{value:.3f}" if value < 0.9995 else ">0.999"


def _explained(ratio: float) -> str:
    """How much of the difference a cause explains; one that widens it explains nothing."""
    return "none, it widens it" if ratio < -0.005 else f"{max(ratio, 0):.0%}".replace("%", " %")
