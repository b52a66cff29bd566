"""Which results were made elsewhere, with other code, or in part only: they stand in the report, and are marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ssdbench.report.summary.environment import as_list
from ssdbench.report.words import listed

_STEPS = {"detect": "detections", "timing": "timing"}
_SIDES = {
    "parity": "the comparison with the reference",
    "parts": "AP on held-out and seen images",
    "diagnosis": "the search for the cause",
}


def provenance_marks(runs: Sequence[Mapping[str, Any]], code: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """What sets each run apart from the others of its report and from the project as it is now, in sentences.

    Args:
        runs: the cells' run.json.
        code: step -> framework -> sha256 of the code that makes such results now; steps `detect` and `timing`.
    """
    usual = {step: _usual(runs, step) for step in _STEPS}
    return [[*_other_code(run, code), *_other_host(run, usual), *_failed_sides(run)] for run in runs]


def _other_code(run: Mapping[str, Any], code: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    made = []
    for step, what in _STEPS.items():
        now = code.get(step, {}).get(run["cell"]["framework"])
        then = as_list((run.get(step) or {}).get("code_sha256"))
        if now and any(sha256 != now for sha256 in then):
            made.append(what)
    if made:
        yield f"{listed(made)} made with other code than the project's now; a run with `-R` makes them anew."


def _other_host(run: Mapping[str, Any], usual: Mapping[str, str]) -> Iterator[str]:
    for step, what in _STEPS.items():
        others = [name for name in _hosts(run, step) if name != usual[step]]
        if others:
            yield f"{what} made on {listed(others)}, those of most other cells on {usual[step]}."


def _failed_sides(run: Mapping[str, Any]) -> Iterator[str]:
    """What could not be said of a cell that was measured."""
    for side, what in _SIDES.items():
        record = run.get(side) or {"status": "ok"}
        if run["status"] == "ok" and record["status"] == "failed":
            yield f"{what} failed: {record['reason']} Log: {record['log']}"


def _usual(runs: Sequence[Mapping[str, Any]], step: str) -> str:
    """The host on which most cells did a step; the first of several alike."""
    counts = Counter(name for run in runs for name in _hosts(run, step))
    return max(counts, key=lambda name: counts[name]) if counts else ""


def _hosts(run: Mapping[str, Any], step: str) -> list[str]:
    """The hosts of a step, each with its processor, since names repeat in clouds.

    Detections depend on the processor at most: those of a cluster's nodes that are alike are not told apart.
    """
    hosts = as_list((run.get(step) or {}).get("host"))
    keys = ("hostname", "cpu") if step == "timing" else ("cpu",)
    names = (" with ".join(str(host[key]) for key in keys if host.get(key)) for host in hosts)
    return list(dict.fromkeys(filter(None, names)))
