"""What disturbs a timing: every sentence with its figure, the rounds measured again, and drift between rounds."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.disturbances import disturbances, doubts, measure_undisturbed
from support.rounds import a_round, failed_round

CALM = [10.0] * 70


def calm_round(number: int = 1, **changes: Any) -> dict[str, Any]:
    return a_round(number, CALM, **changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"load": {"other_cores": 1.26}}, "other work kept 1.26 cores busy while this was timed"),
        (
            {"load": {"other_cores": 0.51}, "host": {"cores": 2}},
            "other work kept 0.51 cores busy while this was timed",
        ),
        (
            {"load": {"own_cores": 0.69, "waiting_cores": 0.31}},
            "its threads were ready but without a core for 31 % of the time",
        ),
        (
            {"threads": 2, "load": {"own_cores": 1.6, "waiting_cores": 0.24}, "runtime": {"threads_at_work": 2}},
            "its threads were ready but without a core for 12 % of the time",
        ),
        ({"load": {"steal_cores": 0.12}}, "the hypervisor took away 0.12 cores while this was timed"),
        (
            {"load": {"throttled_cores": 0.2}},
            "the container's CPU limit held back 0.20 cores while this was timed",
        ),
        (
            {"load": {"heat_throttles": 1}},
            "the processor slowed itself for heat while this was timed (counted 1 times)",
        ),
        (
            {"reference_ms": {"before": 4.0, "after": 4.8}},
            "the reference workload took 20 % longer after the timing than before",
        ),
        (
            {"reference_ms": {"before": 4.8, "after": 4.0}},
            "the reference workload took 20 % longer before the timing than after",
        ),
    ],
)
def test_each_disturbance_is_named_with_its_figure(changes: dict[str, Any], sentence: str) -> None:
    assert disturbances(calm_round(**changes)) == [sentence]


def test_a_quiet_machine_disturbs_nothing() -> None:
    quiet = {"waiting_cores": 0.005, "throttled_cores": 0.0, "heat_throttles": 0, "steal_cores": 0.002}
    assert disturbances(calm_round()) == []
    assert disturbances(calm_round(load=quiet | {"other_cores": 0.33}, host={"cores": 2})) == []


@pytest.mark.parametrize(("other", "is_disturbed"), [(0.01, False), (0.3, True)])
def test_more_threads_than_cores_wait_for_each_other(other: float, is_disturbed: bool) -> None:
    load = {"own_cores": 1.6, "waiting_cores": 0.35, "other_cores": other}
    crowded = calm_round(threads=2, load=load, runtime={"threads_at_work": 3}, host={"cores": 2, "cores_available": 2})
    assert bool(disturbances(crowded)) is is_disturbed


def test_a_thread_that_waits_while_another_does_its_work_costs_nothing() -> None:
    assert disturbances(calm_round(load={"own_cores": 0.998, "waiting_cores": 0.17})) == []


def test_a_larger_machine_bears_more_other_work_up_to_a_whole_core() -> None:
    def is_disturbed(other: float, cores: int) -> bool:
        return bool(disturbances(calm_round(load={"other_cores": other}, host={"cores": cores})))

    assert [is_disturbed(0.4, cores) for cores in (1, 2, 4)] == [True, False, False]
    assert [is_disturbed(0.9, cores) for cores in (2, 4, 64)] == [True, False, False]
    assert [is_disturbed(1.1, cores) for cores in (2, 4, 64)] == [True, True, True]


@given(st.lists(st.booleans(), min_size=1, max_size=4))
def test_the_first_undisturbed_of_the_attempts_is_kept_else_the_last(disturbed: list[bool]) -> None:
    measured = [
        a_round(1, [10.0 + i] * 70, load={"other_cores": 1.5 if is_disturbed else 0.0})
        for i, is_disturbed in enumerate(disturbed)
    ]
    waiting, pauses = iter(measured), []
    kept = measure_undisturbed(lambda: next(waiting), len(disturbed), pauses.append)
    number = disturbed.index(False) + 1 if False in disturbed else len(disturbed)
    assert kept["samples_ms"] == measured[number - 1]["samples_ms"]
    assert [bool(attempt["disturbances"]) for attempt in kept["attempts"]] == disturbed[:number]
    assert [attempt["latency_p50_ms"] for attempt in kept["attempts"]] == [10.0 + i for i in range(number)]
    assert kept["disturbances"] == kept["attempts"][-1]["disturbances"]
    assert len(pauses) == number - 1
    assert all(0 < pause <= 10 for pause in pauses)


def test_the_log_says_what_disturbed_an_attempt(caplog: pytest.LogCaptureFixture) -> None:
    waiting = iter([calm_round(load={"steal_cores": 0.4}), calm_round()])
    with caplog.at_level(logging.INFO):
        measure_undisturbed(lambda: next(waiting), 3, lambda seconds: None)
    first, again, second = caplog.messages
    assert first == "Attempt 1, median 10 ms: the hypervisor took away 0.40 cores while this was timed."
    assert again.startswith("Measuring again in ")
    assert second == "Attempt 2, median 10 ms: undisturbed."


def test_rounds_on_a_quiet_machine_are_not_doubted() -> None:
    for scale in (1.0, 0.995, 1.005):
        assert doubts([calm_round(1), a_round(2, [scale * ms for ms in CALM]), calm_round(3)]) == []


def test_what_disturbed_a_round_is_a_doubt_with_its_number() -> None:
    hog = "other work kept 0.98 cores busy while this was timed"
    assert doubts([calm_round(1), calm_round(2, disturbances=[hog]), calm_round(3)]) == [f"round 2: {hog}"]


def test_a_machine_that_slowed_between_rounds_is_seen_by_its_reference() -> None:
    slow = calm_round(3, reference_ms={"before": 4.79, "after": 4.8})
    assert doubts([calm_round(1), calm_round(2), slow]) == [
        "round 3: the machine was slower, the reference workload took 20 % longer than at its quietest"
    ]


def test_medians_that_lie_apart_are_named() -> None:
    assert doubts([a_round(1, [10.0] * 70), a_round(2, [12.34] * 70), a_round(3, [10.0] * 70)]) == [
        "the medians of the rounds lie 23 % apart, from 10 to 12.3 ms"
    ]


def test_drift_is_not_said_again_of_a_round_that_was_disturbed() -> None:
    worse = a_round(2, [30.0] * 70, disturbances=["x"], reference_ms={"before": 8.0, "after": 8.0})
    assert doubts([calm_round(1), worse, calm_round(3)]) == ["round 2: x"]
    assert doubts([worse]) == ["round 2: x"]


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
    reasons = doubts([failed_round(1), calm_round(2, disturbances=["a", "b"]), a_round(3, [10.0] * 40)])
    assert reasons == [
        "round 1 failed: it crashed",
        "round 2: a, b",
        "round 3: 40 queries, 64 are needed",
    ]
