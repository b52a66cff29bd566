"""Work in forked processes side by side: each opens what it works with once, and the results come in order."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Protocol, TypeVar

from ssdbench.errors import UserError
from ssdbench.jobs.lifetime import end_with_parent
from ssdbench.jobs.limited_process import OverLimit, death

_LOG = logging.getLogger(__name__)

# Tasks that lie at a process: one at work and one that it takes up without waiting.
_AT_A_PROCESS = 2
# Results that may wait for a slow one before them, for each process: bounds memory.
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
        """What does the work."""


class Streams(Generic[Task, Result]):
    """`count` processes, each with a worker of its own. They end with the process that started them."""

    def __init__(self, open_worker: Callable[[], Worker[Task, Result]], count: int) -> None:
        """Start the processes and wait until each has opened its worker.

        Raises:
            UserError: a worker cannot be opened.
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
        """Yield the result of each task, in order. Tasks are taken as processes become free.

        Raises:
            UserError: a process ended, or a task raised one.
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
                with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: what it said last says why
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
        """What the first worker says of itself."""
        self._connections[0].send(("describe", None))
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
            kind, value = self._connections[number].recv()
        except (EOFError, ConnectionResetError):
            self._processes[number].join()
            raise death("A stream of the pass", self._processes[number].exitcode) from None
        if kind == "memory":
            raise OverLimit("A stream of the pass ran out of memory.")
        if kind == "error":
            raise UserError(value)
        return value


def _serve(
    open_worker: Callable[[], Worker[Any, Any]], connection: Connection, others: Sequence[Connection], parent: int
) -> None:
    end_with_parent(parent)
    for other in others:  # else the end of the parent would not be the end of these pipes
        other.close()
    try:
        worker = open_worker()
        calls: dict[str, Callable[[Any], Any]] = {"work": worker.work, "describe": lambda _: worker.describe()}
        connection.send(("result", None))
        while True:
            try:
                name, task = connection.recv()
            except EOFError:
                return
            connection.send(("result", calls[name](task)))
    except UserError as error:
        connection.send(("error", str(error)))
    except MemoryError:
        _LOG.exception("out of memory in a stream")
        connection.send(("memory", None))
    except Exception as error:  # noqa: BLE001 - the parent turns it into the reason of its step
        _LOG.exception("unexpected error in a stream")
        connection.send(("error", f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:500]}"))
