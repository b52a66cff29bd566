"""A machine made up: cells take turns on it while something slows it down, and every turn's true cost is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Seconds since the start -> how many times as long everything takes.
Slowdown = Callable[[float], float]


@dataclass(frozen=True)
class SimulatedCell:
    """ms: of a query on the quiet machine. suffers: how much of the machine's slowdown this cell feels."""

    ms: float
    suffers: float = 1.0


@dataclass(frozen=True)
class SimulatedRun:
    """What a measurement saw, and what it should have found, in each cycle.

    differences: a round's log(reference) - log(cell), [rounds][cycles, cells]; the first cell is the reference.
    workload_ms: [rounds][cycles]. true_logs: log of the speed that each cell really had, [rounds][cycles, cells].
    """

    differences: list[NDArray[np.float64]]
    workload_ms: list[NDArray[np.float64]]
    true_logs: list[NDArray[np.float64]]


def simulated_run(
    cells: Sequence[SimulatedCell],
    slowdown: Slowdown,
    generator: np.random.Generator,
    cycles: Sequence[int] = (60, 60),
    noise: float = 0.04,
    spikes: float = 0.0,
    of_processes: float = 0.003,
    of_run: float = 0.0,
    turn_ms: float = 24.0,
) -> SimulatedRun:
    """Let the cells take turns in random order in rounds of so many cycles, with half a minute between rounds.

    noise: standard deviation of a turn's logarithm. spikes: share of the turns that take two to five times as long.
    of_processes: standard deviation of what a fresh process adds to a cell's logarithm for a whole round. of_run: the
    same for a whole run, so that no round of it can tell.
    """
    now, differences, workload_ms, true = generator.uniform(0, 100), [], [], []
    whole_run = generator.normal(0, of_run, len(cells)) if of_run else np.zeros(len(cells))
    for count in cycles:
        of_round = whole_run + generator.normal(0, of_processes, len(cells))
        seen, quiet, workload = np.empty((count, len(cells))), np.empty((count, len(cells))), np.empty(count)
        for cycle in range(count):
            workload[cycle] = 5.0 * slowdown(now) * np.exp(generator.normal(0, noise / 2))
            for place in generator.permutation(len(cells)):
                cell = cells[place]
                slower = 1 + (slowdown(now) - 1) * cell.suffers
                hit = generator.uniform(2, 5) if generator.random() < spikes else 1.0
                seen[cycle, place] = np.log(cell.ms * slower * hit) + generator.normal(0, noise) + of_round[place]
                now += max(turn_ms, cell.ms) * slower * hit / 1e3
            # What the ratio really was: all cells at the same moment.
            quiet[cycle] = [np.log(cell.ms * (1 + (slowdown(now) - 1) * cell.suffers)) for cell in cells]
        differences.append(seen[:, :1] - seen)
        workload_ms.append(workload)
        true.append(quiet[:, :1] - quiet)
        now += 30
    return SimulatedRun(differences, workload_ms, true)


def drift(generator: np.random.Generator) -> Slowdown:
    """Slower by up to 40 % over some minutes."""
    rate = generator.uniform(0.0005, 0.003)
    return lambda now: 1 + rate * now


def comes_and_goes(generator: np.random.Generator) -> Slowdown:
    """A neighbour that slows everything to 1.35 times, for tenths of a second or for minutes."""
    typical = np.exp(generator.uniform(np.log(0.2), np.log(60)))
    ends = np.cumsum(generator.exponential(typical, size=max(40, int(600 / typical))))
    first = int(generator.integers(2))

    def slowdown(now: float) -> float:
        return 1.35 if (int(np.searchsorted(ends, now)) + first) % 2 else 1.0

    return slowdown


def periodic(period: float) -> Callable[[np.random.Generator], Slowdown]:
    """Load for a third of every period of so many seconds."""
    return lambda generator: lambda now: 1.35 if now % period < period / 3 else 1.0


def steady(generator: np.random.Generator) -> Slowdown:
    """Nothing slows it down."""
    return lambda now: 1.0
