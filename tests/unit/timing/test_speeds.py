"""Relative speeds: on simulated machines the intervals hold the true ratio as often as they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.timing.quiet_cycles import quiet_cycles
from ssdbench.timing.speeds import BETWEEN_RUNS, Speed, relative_speeds, times_as_long, verdict
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
    between_runs: float = 0.0  # that the intervals allow for


MACHINES = {
    "steady": Machine(steady),
    "drift": Machine(drift),
    "a neighbour comes and goes": Machine(comes_and_goes),
    "spikes": Machine(steady, options={"spikes": 0.05}),
    "load in step with the cycle": Machine(periodic(CYCLE_SECONDS)),
    "processes differ from round to round": Machine(steady, options={"of_processes": 0.01, "cycles": (40, 40, 40)}),
    "runs differ": Machine(steady, options={"of_run": BETWEEN_RUNS / np.sqrt(2)}, between_runs=BETWEEN_RUNS),
    "one cell suffers less": Machine(comes_and_goes, (CELLS[0], SimulatedCell(16.0), SimulatedCell(8.0, suffers=0.9))),
    "one cell suffers more": Machine(comes_and_goes, (CELLS[0], SimulatedCell(16.0), SimulatedCell(8.0, suffers=1.1))),
}


@pytest.mark.parametrize("name", MACHINES)
def test_intervals_hold_the_true_ratio_as_often_as_they_say(name: str) -> None:
    machine = MACHINES[name]
    held, different, biases, widths = 0, 0, [], []
    for seed in range(RUNS):
        generator = np.random.default_rng(seed)
        run = simulated_run(machine.cells, machine.slowdown(generator), generator, **machine.options)
        counts = quiet_cycles(run.workload_ms)
        seen = [one[chosen] for one, chosen in zip(run.differences, counts, strict=True)]
        true = np.concatenate([one[chosen] for one, chosen in zip(run.true_logs, counts, strict=True)]).mean(axis=0)
        found = relative_speeds(
            [{"equal": one[:, 1], "fast": one[:, 2]} for one in seen], between_runs=machine.between_runs
        )
        equal, fast = found["equal"], found["fast"]
        held += np.log(fast.low) <= true[2] <= np.log(fast.high)
        widths.append(fast.width)
        different += verdict(equal, 0.04) in ("faster", "slower")
        biases.append(np.log(fast.speed / 2))
    print(f"{name}: {held} of {RUNS} intervals hold the ratio, {different} of {RUNS} equal cells were called")
    print(f"against the quiet ratio {np.mean(biases):+.2%} on average, {np.median(widths):.1%} wide")
    assert 0.90 * RUNS <= held <= 0.99 * RUNS
    assert different <= 0.10 * RUNS


def test_rounds_of_other_processes_widen_the_interval_and_few_of_them_more() -> None:
    generator = np.random.default_rng(3)

    def width(*shifts: float) -> float:
        rounds = [{"a": generator.normal(shift, 0.02, 60), "b": generator.normal(shift, 0.02, 60)} for shift in shifts]
        return relative_speeds(rounds, between_runs=0)["a"].width

    assert width(0.0, 0.0) < width(0.0, 0.02) / 3
    assert width(0.0, 0.02, 0.0, 0.02, 0.0, 0.02) < width(0.0, 0.02) / 3


@given(st.floats(0.1, 10), st.floats(0.001, 0.5), st.floats(0.01, 0.2))
def test_a_verdict_is_what_the_interval_says(speed: float, reach: float, enough: float) -> None:
    found = Speed(speed, speed * np.exp(-reach), speed * np.exp(reach))
    expected = "faster" if found.low > 1 else "slower" if found.high < 1 else None
    assert verdict(found, enough) == (expected or ("alike" if found.width <= enough else "undecided"))
    if verdict(found, enough) == "undecided":
        longer, stays = times_as_long(found, enough), 1.96 * BETWEEN_RUNS
        shrinks = max(reach**2 - stays**2, 0)  # with the time; what runs differ by does not
        reached = np.sqrt(shrinks / (longer or np.inf) + min(stays, reach) ** 2)
        decides = abs(np.log(speed)) >= reached - 1e-4 or 2 * reached <= enough + 1e-4
        assert decides == (longer is not None)


def test_cells_in_one_round_only_or_with_one_cycle_do_not_break_the_others() -> None:
    generator = np.random.default_rng(0)
    rounds = [
        {"a": generator.normal(0.5, 0.01, 40), "late": np.array([])},
        {"a": generator.normal(0.5, 0.01, 40), "late": generator.normal(0, 0.01, 40), "short": np.array([0.1])},
    ]
    found = relative_speeds(rounds)
    assert set(found) == {"a", "late"}
    assert found["a"].low < np.exp(0.5) < found["a"].high
    assert relative_speeds([]) == {}
