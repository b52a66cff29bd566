"""The time in which a process had work and no core."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssdbench.machine.run_clock import Moment, RunClock, held_up_ns

START = Moment(0, 0, 0)


@pytest.mark.parametrize(
    ("end", "threads", "expected"),
    [
        (Moment(100, 40, 60), 1, 60),  # worked for 40, waited for 60
        (Moment(100, 40, 0), 1, 0),  # slept
        (Moment(100, 100, 80), 1, 0),  # one thread waited while another worked on the same core: nothing stood still
        (Moment(100, 70, 80), 1, 30),
        (Moment(100, 100, 100), 2, 50),  # one of two threads waited all the time
        (Moment(100, 210, 0), 2, 0),  # clocks that differ a little
    ],
)
def test_only_the_time_in_which_no_thread_worked_counts(end: Moment, threads: int, expected: float) -> None:
    assert held_up_ns(START, end, threads) == expected


def test_the_waiting_is_the_sum_over_threads(tmp_path: Path) -> None:
    for thread, waited in ((1, 500), (2, 250)):
        folder = tmp_path / f"proc/self/task/{thread}"
        folder.mkdir(parents=True)
        (folder / "schedstat").write_text(f"1000 {waited} 3\n")
    with RunClock(tmp_path) as clock:
        assert clock.now().waiting == 750


def test_a_machine_that_does_not_count_it_says_none(tmp_path: Path) -> None:
    with RunClock(tmp_path) as clock:
        assert clock.now().waiting == 0
        assert clock.now().wall > 0
