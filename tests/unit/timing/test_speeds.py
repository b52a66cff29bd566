"""Relative speeds: on simulated machines the intervals hold the true ratio as often as they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from ssdbench.timing.speeds import relative_speeds, verdict
from support.simulated_machine import (
    SimulatedCell,
    Slowdown,
    comes_and_goes,
    drift,
    periodic,
    simulated_run,
    steady,
)

RUNS = 200
# The reference, its equal, and one that is twice as fast.
CELLS = (SimulatedCell(16.0), SimulatedCell(16.0), SimulatedCell(8.0))
CYCLE_SECONDS = 3 * 0.024


@dataclass(frozen=True)
class Machine:
    slowdown: Callable[[np.random.Generator], Slowdown]
    cells: tuple[SimulatedCell, ...] = CELLS
    options: dict[str, Any] = field(default_factory=dict)


MACHINES = {
    "steady": Machine(steady),
    "drift": Machine(drift),
    "a neighbour comes and goes": Machine(comes_and_goes),
    "spikes": Machine(steady, options={"spikes": 0.05}),
    "load in step with the cycle": Machine(periodic(CYCLE_SECONDS)),
    "processes differ from round to round": Machine(steady, options={"of_processes": 0.01, "cycles": (40, 40, 40)}),
    "one cell suffers less": Machine(comes_and_goes, (CELLS[0], SimulatedCell(16.0), SimulatedCell(8.0, suffers=0.9))),
    "one cell suffers more": Machine(comes_and_goes, (CELLS[0], SimulatedCell(16.0), SimulatedCell(8.0, suffers=1.1))),
}


@pytest.mark.parametrize("name", MACHINES)
def test_intervals_hold_the_true_ratio_as_often_as_they_say(name: str) -> None:
    machine = MACHINES[name]
    held, different, biases = 0, 0, []
    for seed in range(RUNS):
        generator = np.random.default_rng(seed)
        run = simulated_run(machine.cells, machine.slowdown(generator), generator, **machine.options)
        found = relative_speeds([{"equal": one[:, 1], "fast": one[:, 2]} for one in run.differences])
        equal, fast = found["equal"], found["fast"]
        held += np.log(fast.low) <= run.true_logs[2] <= np.log(fast.high)
        different += verdict(equal, 0.04) in ("faster", "slower")
        biases.append(np.log(fast.speed / 2))
    print(f"{name}: {held} of {RUNS} intervals hold the ratio, {different} of {RUNS} equal cells were called")
    print(f"against the quiet ratio {np.mean(biases):+.2%} on average")
    assert 0.90 * RUNS <= held <= 0.99 * RUNS
    assert different <= 0.10 * RUNS
