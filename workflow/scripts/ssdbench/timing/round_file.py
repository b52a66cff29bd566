"""What a round of turns leaves: the form of its cells' turns in round<k>.json, and what they say of speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.arrays import Bool, Float64
from ssdbench.timing.cell_turns import STAGES
from ssdbench.timing.quiet_cycles import quiet_cycles
from ssdbench.timing.speeds import BETWEEN_RUNS, Speed, relative_speeds

END_TO_END = "end_to_end"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class RoundTurns:
    """What one round says of speeds.

    cells: the turns of each cell that was timed, by name. workload_ms: of the reference workload, one for each cycle.
    """

    cells: Mapping[str, Record]
    workload_ms: Sequence[float]


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


def differences(reference: Record, turns: Record, stage: str, counts: Bool) -> Float64:
    """log(time of the reference) - log(time of the cell) in each cycle of a round in which both took their turn.

    counts: [cycles of the round], which of them count.
    """
    theirs, own = log_times(reference, stage), log_times(turns, stage)
    return np.array([theirs[cycle] - own[cycle] for cycle in sorted(theirs.keys() & own.keys()) if counts[cycle]])


def speeds(
    rounds: Sequence[RoundTurns],
    reference: str,
    stage: str,
    confidence: float = 0.95,
    between_runs: float = BETWEEN_RUNS,
) -> dict[str, Speed]:
    """The speed of each cell relative to one of them, of those that shared cycles with it.

    Only cycles count in which the machine was at its best, see `quiet_cycles`. reference: the cell that is 1.
    confidence, between_runs: see `relative_speeds`.
    """
    rounds = [one for one in rounds if reference in one.cells]
    chosen = quiet_cycles([np.array(one.workload_ms) for one in rounds])
    shared = [
        {
            name: differences(one.cells[reference], turns, stage, counts)
            for name, turns in one.cells.items()
            if name != reference
        }
        for one, counts in zip(rounds, chosen, strict=True)
    ]
    return relative_speeds(shared, confidence, between_runs)


def turns_of(done: Record) -> RoundTurns:
    """What a round's file says of speeds."""
    cells = {name: cell["turns"] for name, cell in done.get("cells", {}).items() if cell["status"] == "ok"}
    return RoundTurns(cells, done.get("workload_ms", []))
