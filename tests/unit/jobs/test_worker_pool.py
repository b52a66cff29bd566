"""Processes side by side: results in order, bounded work ahead, and a sentence for whatever ends one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any

import psutil
import pytest

from ssdbench.errors import UserError
from ssdbench.jobs.worker_pool import WorkerPool
from support.processes import half_a_message


class Squares:
    """Squares numbers; some take long, end the process or are refused."""

    def work(self, task: int) -> int:
        if task == -1:
            raise UserError("This number is not known.")
        if task == -2:
            raise ValueError("no  number")
        if task == -9:
            os.kill(os.getpid(), signal.SIGKILL)
        if task == -8:
            Connection._send_bytes = half_a_message  # type: ignore[attr-defined]
        time.sleep(0.03 if task % 3 == 0 else 0)
        return task * task

    def describe(self) -> dict[str, Any]:
        return {"process": os.getpid()}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_come_in_order_however_long_a_task_takes(count: int) -> None:
    with closing(WorkerPool(Squares, count)) as pool:
        assert list(pool.run(range(40))) == [n * n for n in range(40)]
        assert list(pool.run([])) == []
        assert list(pool.run([7, 3])) == [49, 9]
        assert pool.describe()["process"] != os.getpid()


def test_tasks_are_taken_no_further_ahead_than_memory_allows() -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken = number + 1
            yield number

    with closing(WorkerPool(Squares, 2)) as pool:
        for given, _ in enumerate(pool.run(tasks())):
            assert taken - given <= 32


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (-1, r"^This number is not known\.$"),
        (-2, r"^unexpected ValueError: no number$"),
        (-8, r"ended without a result: killed by signal 9\."),
        (-9, r"ended without a result: killed by signal 9\."),
    ],
)
def test_what_goes_wrong_in_a_process_is_said(task: int, sentence: str) -> None:
    with closing(WorkerPool(Squares, 2)) as pool, pytest.raises(UserError, match=sentence):
        list(pool.run([1, 2, task, 4, 5]))


def test_a_worker_that_cannot_be_opened_is_said_and_no_process_stays() -> None:
    def refuse() -> Squares:
        raise UserError("The model is damaged.")

    before = psutil.Process().children()  # of other tests of this process
    with pytest.raises(UserError, match="The model is damaged"):
        WorkerPool(refuse, 3)
    assert psutil.Process().children() == before
