"""Things to measure in processes of their own, kept open and run in turn."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from ssdbench.jobs.lifetime import end_with_parent
from ssdbench.machine.host import limit_pools

Result = dict[str, Any]
Work = Callable[[], Result]


class Worker:
    """A fresh process in which `make(*arguments)` prepares something that can then be run again and again.

    A process of its own for each: thread pools are set once in a process, and its peak memory is its own.
    """

    def __init__(self, make: Callable[..., Work], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, make, arguments, os.getpid()))
        self._process.start()
        other.close()

    def wait(self) -> None:
        """Until it is prepared."""
        self._receive()

    def run(self) -> Result:
        """Run it once."""
        self._connection.send(True)
        return self._receive()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    def _receive(self) -> Result:
        try:
            kind, value = self._connection.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(f"A measuring process ended with exit code {self._process.exitcode}.") from None
        if kind == "error":
            raise RuntimeError(f"A measuring process failed: {value}")
        return dict(value)


def in_turn(makers: Mapping[str, tuple[Any, ...]], rounds: int) -> dict[str, list[Result]]:
    """Run each of {name: (make, arguments...)} `rounds` times, one after the other, each round in another order."""
    results: dict[str, list[Result]] = {name: [] for name in makers}
    with ExitStack() as stack:
        workers = {}
        for name, (make, *arguments) in makers.items():  # one after the other: they load the machine
            workers[name] = stack.enter_context(Worker(make, *arguments))
            workers[name].wait()
        for number in range(rounds):
            for name in turned(list(workers), number):
                results[name].append(workers[name].run())
    return results


def once(make: Callable[..., Work], *arguments: Any) -> Result:
    """Run something once in a fresh process."""
    with Worker(make, *arguments) as worker:
        worker.wait()
        return worker.run()


def turned(names: Iterable[str], number: int) -> list[str]:
    """The names with another one first in each round, so that none profits from its place."""
    listed = list(names)
    start = number % len(listed)
    return listed[start:] + listed[:start]


def _serve(connection: Connection, make: Callable[..., Work], arguments: tuple[Any, ...], parent: int) -> None:
    end_with_parent(parent)
    limit_pools(1)
    try:
        work = make(*arguments)
        connection.send(("ready", {}))
        while connection.recv():
            connection.send(("result", work()))
    except EOFError:
        return
    except Exception as error:  # noqa: BLE001 - the parent shows it
        connection.send(("error", f"{type(error).__name__}: {error}"))
