"""Which cycles count: those of a quiet machine where it was quiet, and never too few."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.timing.quiet_cycles import FEWEST_CYCLES, quiet_cycles

ROUND = st.lists(st.floats(1.0, 100.0), min_size=0, max_size=40).map(np.array)


def workload(ms: float, cycles: int = 30, seed: int = 0) -> np.ndarray:
    return ms * np.exp(np.random.default_rng(seed).normal(0, 0.01, cycles))


def test_on_a_quiet_machine_all_cycles_count() -> None:
    assert all(chosen.all() for chosen in quiet_cycles([workload(5.0), workload(5.0, seed=1)]))


def test_rounds_beside_a_neighbour_do_not_count_where_there_are_quiet_ones() -> None:
    chosen = quiet_cycles([workload(7.0), workload(5.0), workload(6.8), workload(5.0, seed=1)])
    assert [own.mean() for own in chosen] == [0.0, 1.0, 0.0, 1.0]


def test_one_quiet_round_alone_does_not_do() -> None:
    chosen = quiet_cycles([workload(7.0), workload(5.0), workload(6.0)])
    assert chosen[1].all()
    assert chosen[2].sum() >= FEWEST_CYCLES
    assert not chosen[0].any()


def test_a_disturbed_cycle_of_a_quiet_round_does_not_count() -> None:
    ms = workload(5.0)
    ms[7] = 6.5
    chosen, _ = quiet_cycles([ms, workload(5.0)])
    assert not chosen[7]
    assert chosen.sum() == 29


def test_a_machine_that_is_always_busy_counts_as_its_best() -> None:
    assert all(chosen.all() for chosen in quiet_cycles([workload(9.0), workload(9.0, seed=1)]))


@given(st.lists(ROUND, max_size=5), st.floats(0.1, 10))
def test_a_quarter_counts_and_two_rounds_whatever_the_machine_did(rounds: list[np.ndarray], faster: float) -> None:
    chosen = quiet_cycles(rounds)
    assert [len(own) for own in chosen] == [len(own) for own in rounds]
    long = [own for own in rounds if len(own) >= FEWEST_CYCLES]
    counting = [own for own in chosen if own.any()]
    if long:
        assert len(counting) >= min(2, len(long))
        assert all(own.sum() >= FEWEST_CYCLES for own in counting)
    else:
        assert all(own.all() for own in chosen)
    for own, ms in zip(chosen, rounds, strict=True):
        assert not own.any() or ms[own].max() <= min(ms[~own], default=np.inf)
