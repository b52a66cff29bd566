"""What disturbs a timing: every sentence with its figure, rounds with too little that was undisturbed, and drift."""

from __future__ import annotations

from typing import Any

import pytest

from ssdbench.timing.disturbances import Machine, doubts, found_in, in_words
from ssdbench.timing.stretches import Stretch
from support.rounds import a_round, failed_round

CALM = [10.0] * 70
FOUR_CORES = Machine(cores=4, available=4, threads=1, at_work=1)
TWO_CORES = Machine(cores=2, available=2, threads=1, at_work=1)


def calm_round(number: int = 1, **changes: Any) -> dict[str, Any]:
    return a_round(number, CALM, **changes)


def stretch(frames: tuple[float, float] = (4.0, 4.02), seconds: float = 0.2, **load: float) -> Stretch:
    quiet = {"load_average": 1.0, "own_cores": 1.0, "other_cores": 0.01, "steal_cores": 0.0}
    return Stretch((10,), seconds, frames, quiet | load)


def is_disturbed(machine: Machine, **load: float) -> bool:
    (found,) = found_in([stretch(**load)], machine)
    return bool(found)


@pytest.mark.parametrize(
    ("machine", "load", "sentence"),
    [
        (FOUR_CORES, {"other_cores": 1.26}, "other work kept 1.26 cores busy for 0.2 s"),
        (TWO_CORES, {"other_cores": 0.51}, "other work kept 0.51 cores busy for 0.2 s"),
        (
            FOUR_CORES,
            {"own_cores": 0.69, "waiting_cores": 0.31},
            "its threads were ready but without a core for 31 % of the time for 0.2 s",
        ),
        (
            Machine(cores=4, available=4, threads=2, at_work=2),
            {"own_cores": 1.6, "waiting_cores": 0.24},
            "its threads were ready but without a core for 12 % of the time for 0.2 s",
        ),
        (FOUR_CORES, {"steal_cores": 0.12}, "the hypervisor took away 0.12 cores for 0.2 s"),
        (FOUR_CORES, {"throttled_cores": 0.2}, "the container's CPU limit held back 0.20 cores for 0.2 s"),
        (FOUR_CORES, {"heat_throttles": 1}, "the processor slowed itself for heat, 1 times for 0.2 s"),
    ],
)
def test_each_disturbance_is_named_with_its_figure(machine: Machine, load: dict[str, float], sentence: str) -> None:
    stretches = [stretch(**load)]
    assert in_words(stretches, found_in(stretches, machine)) == [sentence]


def test_a_stretch_beside_a_slow_frame_of_the_reference_workload_is_disturbed() -> None:
    stretches = [
        stretch((4.0, 4.1)),
        stretch((4.1, 4.8)),
        stretch((4.9, 5.0)),
        stretch((5.0, 4.0)),
        stretch((4.1, 4.2)),
    ]
    found = found_in(stretches, FOUR_CORES)
    assert [bool(what) for what in found] == [False, True, True, True, False]
    assert in_words(stretches, found) == ["the reference workload took 25 % longer than at its quickest for 0.6 s"]


def test_a_round_says_first_what_disturbed_it_longest_and_leaves_trifles_out() -> None:
    hog = [stretch(seconds=0.5, other_cores=1.5 + i / 10) for i in range(3)]
    stretches = [stretch(steal_cores=0.3), stretch(seconds=0.1, throttled_cores=0.5), *hog]
    assert in_words(stretches, found_in(stretches, TWO_CORES)) == [
        "other work kept 1.60 cores busy for 1.5 s",
        "the hypervisor took away 0.30 cores for 0.2 s",
    ]


def test_a_quiet_machine_disturbs_nothing() -> None:
    quiet = {"waiting_cores": 0.005, "throttled_cores": 0.0, "heat_throttles": 0, "steal_cores": 0.002}
    assert not is_disturbed(FOUR_CORES)
    assert not is_disturbed(TWO_CORES, **quiet, other_cores=0.33)


@pytest.mark.parametrize(("other", "expected"), [(0.01, False), (0.3, True)])
def test_more_threads_than_cores_wait_for_each_other(other: float, expected: bool) -> None:
    crowded = Machine(cores=2, available=2, threads=2, at_work=3)
    assert is_disturbed(crowded, own_cores=1.6, waiting_cores=0.35, other_cores=other) is expected


def test_a_thread_that_waits_while_another_does_its_work_costs_nothing() -> None:
    assert not is_disturbed(FOUR_CORES, own_cores=0.998, waiting_cores=0.17)


def test_a_larger_machine_bears_more_other_work_up_to_a_whole_core() -> None:
    def disturbed(other: float, *cores: int) -> list[bool]:
        return [is_disturbed(Machine(count, count, 1, 1), other_cores=other) for count in cores]

    assert disturbed(0.4, 1, 2, 4) == [True, False, False]
    assert disturbed(0.9, 2, 4, 64) == [True, False, False]
    assert disturbed(1.1, 2, 4, 64) == [True, True, True]


def test_rounds_on_a_quiet_machine_are_not_doubted() -> None:
    for scale in (1.0, 0.995, 1.005):
        assert doubts([calm_round(1), a_round(2, [scale * ms for ms in CALM]), calm_round(3)]) == []


def test_a_round_of_which_too_little_was_undisturbed_is_a_doubt_with_its_number() -> None:
    hog = "other work kept 0.98 cores busy for 1.2 s"
    crowded = calm_round(2, disturbed=60, is_undisturbed=False, disturbances=[hog])
    assert doubts([calm_round(1), crowded, calm_round(3)]) == [
        f"round 2: undisturbed for only 0.2 of 1.4 s (10 queries), {hog}"
    ]


def test_a_round_that_went_on_until_enough_was_undisturbed_is_not_doubted() -> None:
    noisy = a_round(2, [30.0] * 40 + CALM, disturbed=40, disturbances=["x"])
    assert doubts([calm_round(1), noisy, calm_round(3)]) == []


def test_a_machine_that_slowed_between_rounds_is_seen_by_its_reference() -> None:
    slow = calm_round(3, reference_ms=[4.8, 4.82])
    assert doubts([calm_round(1), calm_round(2), slow]) == [
        "round 3: the machine was slower, the reference workload took 20 % longer than in its quickest round"
    ]


def test_medians_that_lie_apart_are_named() -> None:
    assert doubts([a_round(1, [10.0] * 70), a_round(2, [12.34] * 70), a_round(3, [10.0] * 70)]) == [
        "the medians of the rounds lie 23 % apart, from 10 to 12.3 ms"
    ]


def test_drift_is_not_said_again_of_a_round_that_was_disturbed() -> None:
    worse = a_round(2, [30.0] * 70, disturbed=70, is_undisturbed=False, disturbances=["x"], reference_ms=[8.0, 8.0])
    reason = "round 2: undisturbed for only 0.0 of 4.2 s (0 queries), x"
    assert doubts([calm_round(1), worse, calm_round(3)]) == [reason]
    assert doubts([worse]) == [reason]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runtime": {"cores_used": 1.9}}, "round 2: 1.9 cores at work where 1 were asked for"),
        ({"threads": 8, "runtime": {"threads_at_work": 8}}, "round 2: 8 threads on 4 available cores"),
        (
            {"threads": 2, "host": {"cpu_limit": 1.5}, "runtime": {"threads_at_work": 2}},
            "round 2: 2 threads on 1.5 available cores",
        ),
        (
            {"threads": 2, "streams": 3, "runtime": {"threads_at_work": 6}},
            "round 2: 6 threads on 4 available cores",
        ),
        ({"threads": 4, "runtime": {"threads_at_work": 1}}, "round 2: 1 thread at work where 4 were asked for"),
    ],
)
def test_threads_that_are_not_as_asked_make_a_timing_invalid(changes: dict[str, Any], reason: str) -> None:
    assert doubts([calm_round(1), calm_round(2, **changes)]) == [reason]


@pytest.mark.parametrize(
    ("threads", "used", "at_work"), [(1, 1.02, 1), (2, 1.97, 2), (2, 1.2, 2), (4, 4.1, 4), (4, 1.6, 2)]
)
def test_threads_as_asked_are_trusted(threads: int, used: float, at_work: int) -> None:
    runtime = {"cores_used": used, "threads_at_work": at_work}
    assert doubts([calm_round(threads=threads, runtime=runtime)]) == []


def test_all_that_speaks_against_a_timing_is_said() -> None:
    disturbed = calm_round(2, disturbed=70, is_undisturbed=False, disturbances=["a", "b"], runtime={"cores_used": 1.9})
    assert doubts([failed_round(1), disturbed, a_round(3, CALM)]) == [
        "round 1 failed: it crashed",
        "round 2: undisturbed for only 0.0 of 1.4 s (0 queries), a, b, 1.9 cores at work where 1 were asked for",
    ]
