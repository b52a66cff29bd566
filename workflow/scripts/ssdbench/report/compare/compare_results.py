"""Two results folders side by side: what moved beyond noise from A to B, and what else differs between them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ssdbench.evaluation.bootstrap import compare as compare_draws
from ssdbench.files.hashing import sha256_text
from ssdbench.report.compare.results_folder import Cell, Measured, _mapping
from ssdbench.report.summary.environment import fold
from ssdbench.report.words import CELL_WORDS, count, listed, setting_words

Kind = Literal["moved", "within noise", "identical", "no interval", "not comparable", "not measured", "reference"]


@dataclass(frozen=True)
class Change:
    """What a figure was in A and is in B, None where it was not measured.

    interval: the 95 % interval of an AP's difference. why: what the kind rests on where it is not plain, as the rest of
    a sentence that begins with what is compared.
    """

    kind: Kind
    a: float | None
    b: float | None
    interval: tuple[float, float] | None = None
    why: str = ""


@dataclass(frozen=True)
class Pair:
    """A cell that is in A and in B."""

    cell: Mapping[str, str]
    ap: Change
    speed: Change
    timings_valid: tuple[bool, bool]
    statuses: tuple[str, str]
    reasons: tuple[str, str]


@dataclass(frozen=True)
class Difference:
    """A fact that is not the same in A and in B (None: not recorded), and the cells where that is so; none: in all."""

    what: str
    a: str | None
    b: str | None
    cells: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison says. differences: by title of their section."""

    pairs: Sequence[Pair]
    only_a: Sequence[Mapping[str, str]]
    only_b: Sequence[Mapping[str, str]]
    differences: Mapping[str, Sequence[Difference]]

    @property
    def verdict(self) -> list[str]:
        """What moved, in sentences."""
        changed = sum(pair.statuses[0] != pair.statuses[1] for pair in self.pairs)
        return [
            _tally("AP", [pair.ap for pair in self.pairs]),
            _tally("Speed", [pair.speed for pair in self.pairs]),
            *([f"{count(changed, 'status', 'statuses')} changed."] if changed else []),
            *(
                f"{count(len(cells), 'cell')} {'is' if len(cells) == 1 else 'are'} in {side} only."
                for side, cells in (("A", self.only_a), ("B", self.only_b))
                if cells
            ),
        ]


def compare_results(a: Mapping[Cell, Measured], b: Mapping[Cell, Measured]) -> Comparison:
    """Set the cells of two results folders side by side, in the order of B."""
    shared = [cell for cell in b if cell in a]
    pairs = [
        Pair(
            _words(cell),
            compare_ap(a[cell], b[cell]),
            compare_speed(a[cell], b[cell]),
            (_is_valid(a[cell]), _is_valid(b[cell])),
            (str(a[cell].run["status"]), str(b[cell].run["status"])),
            (str(a[cell].run.get("reason") or ""), str(b[cell].run.get("reason") or "")),
        )
        for cell in shared
    ]
    return Comparison(
        pairs,
        [_words(cell) for cell in a if cell not in b],
        [_words(cell) for cell in b if cell not in a],
        _differences({cell: (a[cell], b[cell]) for cell in shared}),
    )


def compare_ap(a: Measured, b: Measured) -> Change:
    """Whether AP moved: where the paired bootstrap's 95 % interval of the difference leaves out 0.

    Only on the same images with the same annotations, and with replicates drawn alike. Detections that are the same
    byte for byte need no interval.
    """
    first, second = a.number("metrics", "AP"), b.number("metrics", "AP")

    def change(kind: Kind, why: str = "", interval: tuple[float, float] | None = None) -> Change:
        return Change(kind, first, second, interval, why)

    if other := _other_data(a, b):
        return change("not comparable", f"is not comparable: {other}")
    same = a.detections_sha256 == b.detections_sha256 != ""
    if same and first == second:
        return change("identical")
    if first is None or second is None:
        return change("not measured", _missing(first, second))
    if same:
        return change("moved", "moved although the detections are the same byte for byte: they were scored otherwise")
    if why := _no_interval(a, b):
        return change("no interval", why)
    assert a.draws is not None and b.draws is not None
    interval = compare_draws(a.draws, b.draws).intervals["AP"]
    if interval is None:
        return change("no interval", "has no interval: no object counts")
    kind: Kind = "within noise" if interval.low <= 0 <= interval.high else "moved"
    return change(kind, interval=(interval.low, interval.high))


def compare_speed(a: Measured, b: Measured) -> Change:
    """Whether a cell's speed relative to the reference moved: if the 95 % interval of B's over A's leaves out 1.

    Milliseconds of two runs differ by what else the machines did, so they are not compared. Only for valid timings at
    the same setting, relative to the same cell.
    """
    first, second = (cell.number("timing", "speed") for cell in (a, b))

    def change(kind: Kind, why: str = "") -> Change:
        return Change(kind, first, second, why=why)

    def not_comparable(why: str) -> Change:
        return change("not comparable", f"is not comparable: {why}")

    for side, cell in (("A", a), ("B", b)):
        timing = cell.part("timing")
        if timing.get("status") == "ok" and "speed" not in timing:
            return not_comparable(f"{side} was timed by a version in which cells did not take turns. Run it again")
    if first is None or second is None:
        return change("not measured", _missing(first, second))
    for side, cell in (("A", a), ("B", b)):
        if not _is_valid(cell):
            reason = str(cell.part("timing").get("timing_reason") or "no reason was recorded")
            return not_comparable(f"the timing in {side} is not valid: {reason}")
    settings = [setting_words(str(cell.part("timing").get("setting"))) for cell in (a, b)]
    if settings[0] != settings[1]:
        return not_comparable(f"other setting: {settings[0]} in A, {settings[1]} in B")
    bases = [str(cell.part("timing").get("speed_reference")) for cell in (a, b)]
    if bases[0] != bases[1]:
        return not_comparable(f"relative to {bases[0]} in A, to {bases[1]} in B")
    if a.part("timing").get("speed_verdict") == "reference":
        return change("reference")
    reaches = [_reach(cell) for cell in (a, b)]
    distance = abs(math.log(second / first))
    return change("moved" if distance > math.hypot(*reaches) else "within noise")


def _reach(cell: Measured) -> float:
    """Half of the interval of a speed, in logarithms."""
    low, high = (cell.number("timing", f"speed_{end}") for end in ("low", "high"))
    return math.log(high / low) / 2 if low and high else math.inf


def _tally(what: str, changes: Sequence[Change]) -> str:
    """How many cells moved and how many did not, in a sentence."""
    kinds = Counter(change.kind for change in changes)
    moved, noise, same = kinds["moved"], kinds["within noise"], kinds["identical"]
    said = []
    if moved:
        said.append(f"{count(moved, 'cell')} moved beyond noise")
    elif noise or same:
        said.append("nothing moved beyond noise")
    words: dict[Kind, Callable[[int], str]] = {
        "within noise": lambda n: f"{n} did not" if moved else f"{count(n, 'cell')} did within it",
        "identical": lambda n: f"{count(n, 'cell')} {_has(n)} identical detections",
        "no interval": lambda n: f"{count(n, 'cell')} {_has(n)} no interval to judge by",
        "reference": lambda n: f"{n} {'is the reference' if n == 1 else 'are references'}",
        "not comparable": lambda n: f"{count(n, 'cell')} {'does' if n == 1 else 'do'} not compare",
        "not measured": lambda n: f"{count(n, 'cell')} {'lacks' if n == 1 else 'lack'} it in A or B",
    }
    said += [say(kinds[kind]) for kind, say in words.items() if kinds[kind]]
    return f"{what}: {', '.join(said)}."


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _other_data(a: Measured, b: Measured) -> str:
    """Why images and annotations are not the same, or are not known to be; empty where they are."""
    given = [cell.part("provenance") for cell in (a, b)]
    if a.images is None or b.images is None:
        lists = [provenance.get("images_sha256") for provenance in given]
        if not lists[0] or lists[0] != lists[1]:
            return "other images, as far as is recorded: a list of images is missing"
    elif a.images != b.images:
        same = len(a.images.items() & b.images.items())
        return f"other images: {len(a.images):,} in A, {len(b.images):,} in B, {same:,} of them the same"
    both_scored = None not in (a.number("metrics", "AP"), b.number("metrics", "AP"))
    truths = [provenance.get("annotations_sha256") for provenance in given]
    return "other annotations" if both_scored and truths[0] != truths[1] else ""


def _missing(first: float | None, second: float | None) -> str:
    sides = [side for side, value in (("A", first), ("B", second)) if value is None]
    return f"was not measured in {listed(sides)}"


def _no_interval(a: Measured, b: Measured) -> str:
    """Why there is no interval; empty where there can be one."""
    if a.draws is None or b.draws is None:
        if str(_mapping(b.run.get("cell")).get("dataset")).partition("-")[0] == "sample":
            return "has no interval on the sample, whose scenes depend on one another"
        without = [side for side, cell in (("A", a), ("B", b)) if cell.draws is None]
        return f"has no interval: no replicates in {listed(without)}"
    if not np.array_equal(a.draws.image_ids, b.draws.image_ids):
        return "has no interval: replicates of other images"
    drawn = [(len(draws.drawn), draws.seed) for draws in (a.draws, b.draws)]
    if drawn[0] != drawn[1]:
        said = [f"{number:,} with seed {seed}" for number, seed in drawn]
        return f"has no interval: other replicates, {said[0]} in A, {said[1]} in B"
    return ""


def _is_valid(cell: Measured) -> bool:
    return cell.part("timing").get("timing_valid") is True


def _differences(pairs: Mapping[Cell, tuple[Measured, Measured]]) -> dict[str, list[Difference]]:
    """What was recorded differently in A and in B, by section; equal differences of several cells come once."""
    values: dict[str, dict[tuple[str, str | None, str | None], list[Cell]]] = {}
    for cell, (a, b) in pairs.items():
        recorded_b = _recorded(b)
        for title, facts_a in _recorded(a).items():
            facts_b = recorded_b[title]
            if bool(facts_a) != bool(facts_b):  # a record of older code, or of a step that failed: not each fact of it
                facts_a, facts_b = ({"all facts": "recorded"} if facts else {} for facts in (facts_a, facts_b))
            for key in dict.fromkeys([*facts_a, *facts_b]):
                pair = facts_a.get(key), facts_b.get(key)
                if pair[0] != pair[1]:
                    values.setdefault(title, {}).setdefault((key, *pair), []).append(cell)
    return {
        title: [
            Difference(key, a, b, [] if len(cells) == len(pairs) else [_words(cell) for cell in cells])
            for (key, a, b), cells in facts.items()
        ]
        for title, facts in values.items()
    }


def _recorded(cell: Measured) -> dict[str, dict[str, str]]:
    """What was recorded of a cell, as text by section and key."""
    card, detect, timing, provenance = (cell.part(name) for name in ("card", "detect", "timing", "provenance"))
    calibration = _mapping(card.get("calibration"))
    comparison = cell.part("comparison")
    hashes = {
        "model": provenance.get("model_sha256"),
        "artifact": provenance.get("artifact_sha256"),
        "images": _hash(cell.images),
        "annotations": provenance.get("annotations_sha256"),
        "calibration images": _hash(calibration.get("images")),
        "code that detected": detect.get("code_sha256"),
        "code that timed": timing.get("code_sha256"),
    }
    setting = {"setting": timing.get("setting"), "rounds": timing.get("rounds")}
    bootstrap = {key: comparison.get(key) for key in ("replicates", "seed", "share")}
    return {
        "Packages that ran": _facts(timing.get("versions"), detect.get("versions")),
        "Packages that converted": _facts(card.get("versions")),
        "Packages that scored": _facts({"ssdbench": provenance.get("ssdbench")}, provenance.get("versions")),
        "Machine that timed": _facts(timing.get("host")),
        "Machine while it timed": _facts({"state": " ".join(timing.get("machine") or ["quiet"])} if timing else {}),
        "Machine that detected": _facts(detect.get("host")),
        "Runtime": _facts(timing.get("runtime")),
        "Setting": _facts(setting),
        "Configuration": _facts(provenance.get("config"), bootstrap),
        "Hashes": _facts(hashes),
    }


def _facts(*records: Any) -> dict[str, str]:
    """Records as text by key, nested keys joined by a dot; where records differ, all values."""
    known = [record for part in records for record in _records(part)]
    return {fact["key"]: ", ".join(value["text"] for value in fact["values"]) for fact in fold({"": known})}


def _records(value: Any) -> list[Mapping[str, Any]]:
    """A record, or several where rounds differ."""
    return [part for part in (value if isinstance(value, list) else [value]) if isinstance(part, Mapping)]


def _hash(value: Any) -> str | None:
    return sha256_text(repr(sorted(value.items()) if isinstance(value, Mapping) else value)) if value else None


def _words(cell: Cell) -> dict[str, str]:
    return dict(zip(CELL_WORDS, cell, strict=True))
