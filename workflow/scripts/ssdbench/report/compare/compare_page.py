"""A comparison of two results folders as a page, and as a few lines for the terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby

from tabulate import tabulate

from ssdbench.report import words
from ssdbench.report.compare.compare_results import Change, Comparison, Pair
from ssdbench.report.page.assets import assets, content_policy, page_templates
from ssdbench.report.words import DASH, accuracy, cell_name, change, factor, interval, listed, one_line

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIFFERENCES_SHOWN = 12  # in the terminal
_WIDTH = 34  # of a value in the terminal


def render_comparison(comparison: Comparison, a: str, b: str) -> str:
    """The comparison as HTML that needs no other file and may load none; a, b: what the two folders are called."""
    templates = page_templates()
    templates.filters |= {name: getattr(words, name) for name in ("accuracy", "factor", "count")}
    templates.globals |= {"cell_name": cell_name, "DASH": DASH, "shortened": shortened}
    templates.globals |= {"difference_of": _difference, "interval": interval, "outcome": _outcome}
    style, script = assets(templates, ["style.css"]), assets(templates, ["tables.js"])
    return templates.get_template("compare.html.j2").render(
        comparison=comparison,
        a=a,
        b=b,
        groups=[{"name": name, "pairs": pairs, "notes": _notes(pairs)} for name, pairs in _groups(comparison.pairs)],
        moved=[pair for pair in comparison.pairs if pair.statuses[0] != pair.statuses[1]],
        several=len({_place(pair.cell) for pair in comparison.pairs}) > 1,
        place=_place,
        style=style,
        script=script,
        policy=content_policy(style, script),
    )


def describe_comparison(comparison: Comparison, a: str, b: str) -> str:
    """The comparison in words and plain tables."""
    lines = [f"A: {a}", f"B: {b}", "", *comparison.verdict]
    for name, pairs in _groups(comparison.pairs):
        rows = [
            [
                cell_name(pair.cell),
                *(DASH if value is None else accuracy(value) for value in (pair.ap.a, pair.ap.b)),
                _difference(pair.ap) + (f" ({interval(*pair.ap.interval)})" if pair.ap.interval else ""),
                _outcome(pair.ap, "lower", "higher"),
                *(DASH if value is None else factor(value) for value in (pair.speed.a, pair.speed.b)),
                _outcome(pair.speed, "slower", "faster"),
            ]
            for pair in pairs
        ]
        header = ["cell", "AP A", "AP B", "change (95 %)", "AP", "speed A", "speed B", "speed"]
        lines += ["", name, _table(rows, header, ("left", "right", "right", "right", "left", "right", "right", "left"))]
        lines += [f"- {note}" for note in _notes(pairs)]
    for side, cells in (("A", comparison.only_a), ("B", comparison.only_b)):
        lines += [f"- in {side} only: {cell_name(cell)} ({_place(cell)})" for cell in cells]
    lines += [
        "",
        "Speeds are relative to the reference of each run, so that most of what slowed a machine cancels. A cell that "
        "other work slows more than the reference still moves.",
    ]
    differences = [(title, fact) for title, facts in comparison.differences.items() for fact in facts]
    lines += ["", "Nothing else that was recorded differs."] if not differences else ["", "What else differs:"]
    if differences:
        rows = [[f"{title}: {fact.what}", *(_cut(text) for text in (fact.a, fact.b))] for title, fact in differences]
        lines.append(_table(rows[:_DIFFERENCES_SHOWN], ["what", "A", "B"], ("left",) * 3))
        if len(rows) > _DIFFERENCES_SHOWN:
            lines.append(f"and {len(rows) - _DIFFERENCES_SHOWN} more on the page.")
    # A name from a file must not move the cursor.
    return "\n".join(line if line.isprintable() else one_line(line) for text in lines for line in text.split("\n"))


def shortened(text: str) -> str:
    """A text in which a sha256 is cut to what tells two apart."""
    return _SHA256.sub(lambda match: f"{match[0][:12]}…", text)


def _groups(pairs: Sequence[Pair]) -> list[tuple[str, list[Pair]]]:
    """The pairs by dataset, model and protocol, and the name of each group."""
    return [(name, list(part)) for name, part in groupby(pairs, key=lambda pair: _place(pair.cell))]


def _place(cell: Mapping[str, str]) -> str:
    return f"{cell['model']}, protocol {cell['protocol']}, {cell['dataset']}"


def _difference(ap: Change) -> str:
    """The difference of two APs; a dash where one of them is missing or they do not compare."""
    if ap.a is None or ap.b is None or ap.kind == "not comparable":
        return DASH
    return change(ap.b - ap.a, 4)


def _outcome(figure: Change, less: str, more: str) -> str:
    """The kind, and where a figure moved, in which direction."""
    if figure.kind != "moved" or figure.a is None or figure.b is None:
        return figure.kind
    return f"moved, {less if figure.b < figure.a else more}"


def _notes(pairs: Sequence[Pair]) -> list[str]:
    """Why cells have no interval or do not compare, and which statuses changed; the same reason comes once."""
    reasons: dict[str, list[str]] = {}
    for pair in pairs:
        for what, figure in (("AP", pair.ap), ("Speed", pair.speed)):
            if figure.why:
                reasons.setdefault(f"{what} {figure.why}", []).append(cell_name(pair.cell))
    notes = [
        f"{reason} ({'all cells' if len(cells) == len(pairs) > 1 else listed(cells)})."
        for reason, cells in reasons.items()
    ]
    for pair in pairs:
        if pair.statuses[0] != pair.statuses[1]:
            told = zip(pair.statuses, pair.reasons, strict=True)
            before, now = (f"{status} ({reason})" if reason else status for status, reason in told)
            notes.append(f"{cell_name(pair.cell)} was {before} in A and is {now} in B.")
    return notes


def _table(rows: Sequence[Sequence[str]], header: Sequence[str], alignment: Sequence[str]) -> str:
    return tabulate([list(map(one_line, row)) for row in rows], header, disable_numparse=True, colalign=alignment)


def _cut(text: str | None) -> str:
    if text is None:
        return "not recorded"
    short = shortened(text)
    return short if len(short) <= _WIDTH else f"{short[: _WIDTH - 1]}…"
