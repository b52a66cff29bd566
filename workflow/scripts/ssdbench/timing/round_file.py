"""What a round of turns leaves: the form of its cells' turns in round<k>.json, and what they say of speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssdbench.arrays import Float64
from ssdbench.timing.cell_turns import STAGES
from ssdbench.timing.speeds import Speed, relative_speeds

END_TO_END = "end_to_end"

Record = Mapping[str, Any]


def empty_turns() -> dict[str, Any]:
    """No turn yet: a list with an entry for each turn, or in `samples_ms` for each query, turn after turn.

    cycle: its number in the round. started_s: on the machine's clock. queries: those counted, of all streams.
    seconds: they took. waited_ms: of a query, the mean.
    """
    return {
        **{name: [] for name in ("cycle", "started_s", "queries", "seconds")},
        "waited_ms": {stage: [] for stage in STAGES},
        "samples_ms": {stage: [] for stage in STAGES},
    }


def add_turn(turns: dict[str, Any], cycle: int, turn: Record) -> None:
    """Add a turn, as `cell_turns` answers it."""
    turns["cycle"].append(cycle)
    turns["started_s"].append(round(turn["started"], 4))
    turns["seconds"].append(round(turn["seconds"], 5))
    turns["queries"].append(len(turn["samples_ms"][STAGES[0]]))
    for stage in STAGES:
        turns["samples_ms"][stage] += turn["samples_ms"][stage]
        turns["waited_ms"][stage].append(turn["waited_ms"][stage])


def samples(turns: Record, stage: str) -> list[float]:
    """The time of each query in ms, of a stage or END_TO_END."""
    if stage != END_TO_END:
        return list(turns["samples_ms"][stage])
    return [round(sum(times), 4) for times in zip(*turns["samples_ms"].values(), strict=True)]


def log_times(turns: Record, stage: str) -> dict[int, float]:
    """By cycle, the logarithm of the ms that a query of its turn took while it had a core.

    The time without a core says how busy the machine was, not what the cell needs; it hits turns by chance. What is
    left over is at least a thousandth of the time.
    """
    taken, waited = np.array(samples(turns, stage)), turns["waited_ms"]
    waits = np.array(waited[stage] if stage != END_TO_END else [sum(w) for w in zip(*waited.values(), strict=True)])
    counts = np.array(turns["queries"], int)
    if not len(counts):
        return {}
    means = np.add.reduceat(taken, np.concatenate([[0], np.cumsum(counts)[:-1]])) / counts
    logs = np.log(np.maximum(means - waits, np.maximum(means / 1000, 1e-6)))
    return dict(zip(turns["cycle"], logs.tolist(), strict=True))


def differences(reference: Record, turns: Record, stage: str) -> Float64:
    """log(time of the reference) - log(time of the cell) in each cycle of a round in which both took their turn."""
    theirs, own = log_times(reference, stage), log_times(turns, stage)
    return np.array([theirs[cycle] - own[cycle] for cycle in sorted(theirs.keys() & own.keys())])


def speeds(
    rounds: Sequence[Mapping[str, Record]], reference: str, stage: str, confidence: float = 0.95
) -> dict[str, Speed]:
    """The speed of each cell relative to one of them, of those that shared cycles with it.

    Args:
        rounds: for each the turns of its cells by name. reference: the name of the cell that is 1.
    """
    shared = [
        {name: differences(one[reference], turns, stage) for name, turns in one.items() if name != reference}
        for one in rounds
        if reference in one
    ]
    return relative_speeds(shared, confidence)


def turns_of(done: Record) -> dict[str, Record]:
    """The turns of the cells of a round that were timed, by name."""
    return {name: cell["turns"] for name, cell in done.get("cells", {}).items() if cell["status"] == "ok"}
