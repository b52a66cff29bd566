"""What stands under a table of results in whole sentences, and the filter above it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ssdbench.report.summary.row_notes import mark_notes, row_notes
from ssdbench.report.words import accuracy, cell_name, count, framework_name, listed

Row = Mapping[str, Any]


def group_notes(rows: Sequence[Row], details: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a group's rows do not show themselves, troubles first: [{text, kind, is_trouble, tail}].

    kind: what a note that is not a trouble is about. tail: the end of a failed cell's log.
    """
    notes = [_note(text, is_trouble=True) for text in mark_notes(rows)]
    for row in rows:
        tail = details[row["id"]]["log_tail"]
        kind = "why cells are unsupported" if row["status"] == "unsupported" else ""
        notes += [_note(text, kind, is_trouble=not kind, tail=tail) for text in row_notes(row)]
        expected = details[row["id"]]["expected"]
        if expected:
            notes.append(_note(_expected(row, expected), "the AP that was expected", is_trouble=expected["is_outside"]))
        if row["speed_verdict"] == "undecided":
            notes.append(_note(_more(row), "how long would decide a speed"))
        if row["looks_like"]:
            notes.append(_note(f"{cell_name(row)}: {row['looks_like']}", "what losses look like"))
    return sorted(notes, key=lambda note: not note["is_trouble"])


def doubts(row: Row, detail: Mapping[str, Any]) -> list[str]:
    """What the status of a row adds to itself, in a few words; the notes say more."""
    expected = detail["expected"]
    return [
        *(["speed undecided"] if row["speed_verdict"] == "undecided" else []),
        *(["timing not valid"] if row["timing_valid"] is False and row["latency_p50_ms"] is not None else []),
        *(["AP not as expected"] if expected and expected["is_outside"] else []),
        *(["marked, see note"] if row["marks"] else []),
    ]


def folded_title(notes: Sequence[Mapping[str, Any]]) -> str:
    """The heading of the notes that are folded: how many there are, and of what kind."""
    kinds = list(dict.fromkeys(note["kind"] for note in notes if not note["is_trouble"]))
    return f"{count(sum(not note['is_trouble'] for note in notes), 'note')}: {listed(kinds)}" if kinds else ""


def _more(row: Row) -> str:
    """About how much longer a timing would decide whether a cell is faster or slower, if any time would."""
    seconds = row["speed_more_s"]
    if seconds is None:
        return f"{cell_name(row)}: runs differ by more than its speed differs from 1, so more turns would not decide."
    minutes = seconds / 60
    about = f"{minutes:.0f} min" if minutes >= 1.5 else f"{seconds:.0f} s"
    return f"{cell_name(row)}: about {about} more of turns would decide whether it is faster or slower."


def agreement_sentence(rows: Sequence[Row]) -> str:
    """How many cells agree with the reference, image for image; empty where none was compared."""
    compared = [row for row in rows if row["parity"]]
    if not compared:
        return ""
    reference = next((cell_name(row) for row in rows if row["is_reference"]), "the reference")
    departed = [cell_name(row) for row in compared if row["parity"] != "agrees"]
    number = len(compared) - len(departed)
    agree = f"{'agrees' if number == 1 else 'agree'} with it within the limits"
    start = f"compared image for image with {reference}"
    if not departed:
        return f"{'The one cell' if number == 1 else f'All {number} cells'} {start} {agree}."
    depart = f"{listed(departed)} {'departs' if len(departed) == 1 else 'depart'}"
    return f"Of {count(len(compared), 'cell')} {start}, {number or 'none'} {agree}; {depart}."


def filters(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What the cells can be chosen by: [{name, title, options: [{value, text}]}], only where there is a choice."""
    titles = {"framework": "Framework", "precision": "Precision", "verdict": "Verdict", "speed_verdict": "Speed"}
    titles |= {"status": "Status"}
    empty = {"verdict": "no verdict", "speed_verdict": "not compared"}
    values = {name: list(dict.fromkeys(row[name] for row in rows)) for name in titles}
    return [
        {
            "name": name,
            "title": title,
            "options": [
                {"value": value, "text": framework_name(value) if name == "framework" else value or empty.get(name, "")}
                for value in values[name]
            ],
        }
        for name, title in titles.items()
        if len(values[name]) > 1
    ]


def _note(text: str, kind: str = "", *, is_trouble: bool = False, tail: Sequence[str] = ()) -> dict[str, Any]:
    return {"text": text, "kind": kind, "is_trouble": is_trouble, "tail": "\n".join(tail)}


def _expected(row: Row, expected: Mapping[str, Any]) -> str:
    part = " on the images held out of training" if expected["part"] == "held_out" else ""
    place = "outside" if expected["is_outside"] else "within"
    return (
        f"{cell_name(row)}: AP {accuracy(expected['AP'])} is expected{part} ({expected['source']}), and "
        f"{accuracy(expected['ours'])} was measured: {place} the tolerance of {expected['tolerance']:g}."
    )
