"""What the rounds of a table say together."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ssdbench.timing.combine_rounds import combine_rounds
from support.rounds import a_round, broken_cell, timed_cell

REFERENCE, CELL, THIRD = "tensorflow/fp32", "onnxruntime/int8", "opencv/fp32"
NAMES = (REFERENCE, CELL, THIRD)


def slow_then_quick(ms: float, seed: int, cycles: int = 30) -> list[list[float]]:
    """Three queries a turn, half as long again in the second half of the round."""
    noise = np.random.default_rng(seed).normal(0, 0.005, (cycles, 3))
    machine = np.where(np.arange(cycles) < cycles / 2, 1.0, 1.5)
    return [[float(ms * slower * np.exp(one)) for one in row] for slower, row in zip(machine, noise, strict=True)]


def table(number: int, **changes: object) -> dict[str, object]:
    cells = {REFERENCE: 20.0, CELL: 10.0, THIRD: 40.0}
    timed = {name: timed_cell(slow_then_quick(ms, 10 * number + i)) for i, (name, ms) in enumerate(cells.items())}
    return a_round(number, {**timed, **changes})


def test_speeds_are_relative_to_the_reference_and_milliseconds_are_as_measured() -> None:
    found = combine_rounds([table(1), table(2)], NAMES, REFERENCE, 0.04)
    assert list(found) == list(NAMES)
    cell = found[CELL]
    assert cell["speed"] == pytest.approx(2, abs=0.02)
    assert cell["speed_low"] < cell["speed"] < cell["speed_high"] < 1.05 * cell["speed_low"]
    assert (cell["speed_verdict"], cell["speed_reference"]) == ("faster", REFERENCE)
    assert found[THIRD]["speed_verdict"] == "slower"
    assert found[REFERENCE]["speed"] == 1
    assert found[REFERENCE]["speed_verdict"] == "reference"
    assert 10 < cell["latency_p50_ms"] < 15.5  # of all queries, slow ones too
    assert cell["latency_p90_ms"] == pytest.approx(15, abs=0.3)
    assert (cell["rounds"], cell["cycles"], cell["queries"]) == (2, 60, 180)
    assert cell["timing_valid"]
    assert set(cell["speeds"]) == {"decode", "preprocess", "network", "end_to_end"} | {"postprocess"}
    assert cell["throughput_ips"] == pytest.approx(
        180 / (2 * sum(map(sum, slow_then_quick(10, 11) + slow_then_quick(10, 21))) / 1e3), rel=1e-3
    )
    json.dumps(found, allow_nan=False)


def test_time_without_a_core_is_in_the_milliseconds_but_not_in_the_speeds() -> None:
    waits = timed_cell([[30.0] * 3] * 30, waited=20.0)
    rounds = [a_round(k, {REFERENCE: timed_cell([[20.0] * 3] * 30), CELL: waits}) for k in (1, 2)]
    cell = combine_rounds(rounds, (REFERENCE, CELL), REFERENCE, 0.04)[CELL]
    assert cell["speed"] == pytest.approx(2)
    assert cell["latency_p50_ms"] == 30


def test_a_cell_that_failed_in_all_rounds_has_its_reason_and_the_others_their_speeds() -> None:
    rounds = [table(k, **{CELL: broken_cell("it crashed")}) for k in (1, 2)]
    found = combine_rounds(rounds, NAMES, REFERENCE, 0.04)
    assert {key: found[CELL][key] for key in ("status", "reason", "timing_valid")} == {
        "status": "failed",
        "reason": "it crashed",
        "timing_valid": False,
    }
    assert "latency_p50_ms" not in found[CELL]
    assert found[THIRD]["speed"] == pytest.approx(0.5, abs=0.01)


def test_a_cell_that_failed_in_one_round_keeps_the_other_and_is_not_valid() -> None:
    found = combine_rounds([table(1), table(2, **{CELL: broken_cell("it hung")})], NAMES, REFERENCE, 0.04)
    assert (found[CELL]["status"], found[CELL]["rounds"]) == ("ok", 1)
    assert found[CELL]["timing_reason"] == "round 2 failed: it hung"


def test_without_a_timed_reference_the_first_timed_cell_stands_in_and_is_named() -> None:
    rounds = [table(k, **{REFERENCE: broken_cell()}) for k in (1, 2)]
    found = combine_rounds(rounds, NAMES, REFERENCE, 0.04)
    assert found[CELL]["speed_verdict"] == "reference"
    assert found[THIRD]["speed_reference"] == CELL
    assert found[THIRD]["speed"] == pytest.approx(0.25, abs=0.01)


def test_a_table_of_one_cell_and_published_rows_have_no_speed() -> None:
    alone = [a_round(k, {CELL: timed_cell([[10.0] * 3] * 30)}) for k in (1, 2)]
    for found in (
        combine_rounds(alone, (CELL,), REFERENCE, 0.04)[CELL],
        combine_rounds([table(1), table(2)], NAMES, None, 0.04)[CELL],
    ):
        assert (found["status"], found["speed"], found["speed_verdict"]) == ("ok", None, "")
        assert found["latency_p50_ms"] is not None


def test_a_round_that_was_not_needed_changes_nothing() -> None:
    skipped = a_round(3, {}, is_needed=False)
    assert combine_rounds([table(1), table(2), skipped], NAMES, REFERENCE, 0.04) == combine_rounds(
        [table(1), table(2)], NAMES, REFERENCE, 0.04
    )


def test_rounds_that_failed_as_a_whole_give_every_cell_their_reason() -> None:
    whole = {"setting": "b1-t8-s1", "round": 1, "status": "unsupported", "reason": "needs 8 cores", "log": "l"}
    found = combine_rounds([whole], NAMES, REFERENCE, 0.04)
    assert {(found[name]["status"], found[name]["reason"]) for name in NAMES} == {("unsupported", "needs 8 cores")}


def test_an_undecided_cell_says_how_much_longer_would_decide() -> None:
    generator = np.random.default_rng(0)

    def noisy() -> dict[str, object]:
        return timed_cell([[float(20 * np.exp(generator.normal(0, 0.3)))] for _ in range(30)])

    cell = combine_rounds(
        [a_round(k, {REFERENCE: noisy(), CELL: noisy()}) for k in (1, 2)], (REFERENCE, CELL), REFERENCE, 0.04
    )[CELL]
    assert cell["speed_verdict"] == "undecided"
    assert cell["speed_more_s"] > 0


def test_what_the_machine_did_stands_beside_the_milliseconds_in_plain_words_and_does_not_make_them_invalid() -> None:
    busy = {
        "load": {"other_cores": 1.5, "steal_cores": 0.2, "throttled_cores": 0.1, "heat_throttles": 2.0},
        "workload_ms": [4.0] * 10 + [5.4] * 20,
    }
    cells = {REFERENCE: timed_cell([[20.0]] * 30, waited=10.0), CELL: timed_cell([[10.0]] * 30, waited=5.0)}
    found = combine_rounds([a_round(k, cells, **busy) for k in (1, 2)], (REFERENCE, CELL), REFERENCE, 0.04)[CELL]
    assert found["timing_valid"]
    assert found["machine"] == [
        "The core ran at 74 % of its best pace for most of the time.",
        "Speeds are those of 20 of 60 cycles, in which it was at its best.",
        "Other work kept 1.50 cores busy.",
        "The cells waited for a core for 25 % of their turns, which speeds leave out.",
        "The hypervisor took away 0.20 cores.",
        "The container's CPU limit held back 0.10 cores.",
        "The processor slowed itself for heat 4 times.",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runtime": {"cores_used": 1.9}}, "1.9 cores at work where 1 were asked for"),
        ({"waited": 8.0}, "it waited for a core for 40 % of its turns, the others for 0 %"),
    ],
)
def test_a_timing_that_is_wrong_in_itself_is_not_valid(changes: dict[str, object], reason: str) -> None:
    odd = timed_cell([[10.0]] * 30, **changes)  # type: ignore[arg-type]
    cells = {REFERENCE: timed_cell([[20.0]] * 30), CELL: odd, THIRD: timed_cell([[40.0]] * 30)}
    found = combine_rounds([a_round(1, cells), a_round(2, cells)], NAMES, REFERENCE, 0.04)
    assert found[CELL]["timing_reason"] == "; ".join(f"round {k}: {reason}" for k in (1, 2))
    assert found[REFERENCE]["timing_valid"]


def test_more_threads_than_cores_and_threads_that_do_nothing_are_not_valid() -> None:
    cells = {name: timed_cell([[10.0]] * 30) for name in (REFERENCE, CELL)}
    of_two = a_round(1, cells, threads=2, host={"cores_available": 1})
    reason = combine_rounds([of_two], (REFERENCE, CELL), REFERENCE, 0.04)[CELL]["timing_reason"]
    assert reason == "round 1: 2 threads on 1 available cores, 1 thread at work where 2 were asked for"


def test_an_interval_that_says_too_little_is_not_valid() -> None:
    generator = np.random.default_rng(1)
    noisy = [timed_cell([[float(20 * np.exp(generator.normal(0, 1)))] for _ in range(10)]) for _ in range(2)]
    found = combine_rounds(
        [a_round(1, dict(zip((REFERENCE, CELL), noisy, strict=True)))], (REFERENCE, CELL), REFERENCE, 0.04
    )
    assert "says too little" in found[CELL]["timing_reason"]
