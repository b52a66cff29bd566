"""Forked processes that work side by side: each opens what it needs once, and the results come in order.

The processes have a pipe each, which concurrent.futures.ProcessPoolExecutor does not give them: its workers share one,
and when one of them is killed while it writes a result, the pool waits for the rest for ever (tried with Python 3.11).
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Protocol, TypeVar

from ssdbench.errors import UserError, unexpected
from ssdbench.jobs.lifetime import end_with_parent
from ssdbench.jobs.limited_process import OverLimit, death

_LOG = logging.getLogger(__name__)

# Tasks that a process has: one at work, and one that it can start without waiting for the parent.
_AT_A_PROCESS = 2
# Tasks handed out for each process whose results are not yet given on: bounds memory behind a slow task.
_WAITING = 8

Task = TypeVar("Task")
Result = TypeVar("Result")
Given = TypeVar("Given", contravariant=True)
Made = TypeVar("Made", covariant=True)


class Worker(Protocol[Given, Made]):
    """What a process opens."""

    def work(self, task: Given) -> Made:
        """Do a task."""

    def describe(self) -> dict[str, Any]:
        """Facts about what does the work."""


class WorkerPool(Generic[Task, Result]):
    """`count` processes, each with its own worker. They end with the process that started them."""

    def __init__(self, open_worker: Callable[[], Worker[Task, Result]], count: int) -> None:
        """Start the processes and wait until each has opened its worker.

        Raises:
            UserError: a worker could not be opened.
        """
        context = multiprocessing.get_context("fork")
        self._connections: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            arguments = (open_worker, theirs, [*self._connections, ours], os.getpid())
            process = context.Process(target=_serve, args=arguments)
            process.start()
            theirs.close()
            self._connections.append(ours)
            self._processes.append(process)
        try:
            for number in range(count):
                self._receive(number)
        except BaseException:
            self.close()
            raise

    def run(self, tasks: Iterable[Task]) -> Iterator[Result]:
        """Yield the result of each task, in order. Tasks are taken from `tasks` as processes become free.

        Raises:
            UserError: a process ended, or a task raised an error.
        """
        coming = enumerate(tasks)
        at_work: list[deque[int]] = [deque() for _ in self._connections]
        done: dict[int, Result] = {}
        given = handed = 0
        is_over = False
        while True:
            while not is_over and handed - given < _WAITING * len(at_work):
                number = min(range(len(at_work)), key=lambda process: len(at_work[process]))
                if len(at_work[number]) == _AT_A_PROCESS:
                    break
                index, task = next(coming, (-1, None))
                if index < 0:
                    is_over = True
                    break
                with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: its last message says why
                    self._connections[number].send(("work", task))
                at_work[number].append(index)
                handed += 1
            if given in done:
                yield done.pop(given)
                given += 1
                continue
            if given == handed:
                return
            busy = [connection for connection, tasks in zip(self._connections, at_work, strict=True) if tasks]
            for connection in wait(busy):
                number = self._connections.index(connection)  # type: ignore[arg-type]
                done[at_work[number].popleft()] = self._receive(number)

    def describe(self) -> dict[str, Any]:
        """The facts that the first worker states."""
        self._connections[0].send(("describe",))
        described: dict[str, Any] = self._receive(0)
        return described

    def close(self) -> None:
        """End the processes."""
        for process, connection in zip(self._processes, self._connections, strict=True):
            connection.close()
            process.kill()
            process.join()

    def _receive(self, number: int) -> Any:
        try:
            answer = self._connections[number].recv()
        except (EOFError, OSError):  # OSError: it was killed while it wrote
            self._processes[number].join()
            raise death("A process of the pass", self._processes[number].exitcode) from None
        if isinstance(answer, UserError):
            raise answer
        return answer


def _serve(
    open_worker: Callable[[], Worker[Any, Any]], connection: Connection, others: Sequence[Connection], parent: int
) -> None:
    """Answer each question that comes through the connection, until it is closed or something goes wrong."""
    end_with_parent(parent)
    for other in others:  # an open copy here would hide from the other processes that the parent has closed theirs
        other.close()
    try:
        worker = open_worker()
        connection.send(None)
        while True:
            try:
                method, *task = connection.recv()
            except EOFError:
                return
            connection.send(getattr(worker, method)(*task))
    except UserError as error:
        connection.send(error)
    except MemoryError:
        _LOG.exception("out of memory in a process of the pass")
        connection.send(OverLimit("A process of the pass ran out of memory."))
    except Exception as error:  # noqa: BLE001 - the parent turns it into the reason of its step
        _LOG.exception("unexpected error in a process of the pass")
        connection.send(UserError(unexpected(error)))
