"""One cell of a timing, in a process of its own: it is loaded once and then takes turns.

A query is one call of the network with all that belongs to it: decode, preprocess, network and postprocess of
`batch` images, one stage after another in one thread. A stream is a thread that does one query after another in a
session of its own; streams run side by side and share nothing but the process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import fmean, median
from threading import Event
from typing import Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.coco.image_list import ImageRecord
from ssdbench.images.pixels import decode_image
from ssdbench.jobs.limited_process import Talk
from ssdbench.machine.cores import pin
from ssdbench.machine.counters import watch_threads
from ssdbench.machine.host import peak_rss_mb
from ssdbench.machine.run_clock import Moment, RunClock, held_up_ns
from ssdbench.runtimes.base import Session

STAGES = ("decode", "preprocess", "network", "postprocess")
_WARMUP_QUERIES = 8
_WATCH_SECONDS = 0.3

Images = Sequence[tuple[ImageRecord, bytes]]


@dataclass(frozen=True)
class OpenCell:
    """A cell that is loaded.

    sessions: one for each stream. preprocess: from a decoded image, BGR [H, W, 3], to network pixels [S, S, 3].
    postprocess: from the network's output and the records of its images to detections.
    """

    sessions: Sequence[Session]
    preprocess: Callable[[UInt8], UInt8]
    postprocess: Callable[[Heads | Finished, Sequence[ImageRecord]], object]


@dataclass(frozen=True)
class CellWork:
    """What a cell's process does.

    prepare: called there; it imports the framework, checks the file, and returns what loads it. images: real ones,
    encoded and in memory; each stream begins at another one. batch: images in a query. cores: to run on, see `pin`.
    loading_cores: to load on, while the cell before it warms up.
    """

    prepare: Callable[[], Callable[[], OpenCell]]
    images: Images
    batch: int
    cores: tuple[int, ...]
    loading_cores: tuple[int, ...] = ()


@dataclass(frozen=True)
class Queries:
    """What each stream does in a turn: first unmeasured queries, at least one, then those that count."""

    unmeasured: int
    counted: int


@dataclass(frozen=True)
class Turn:
    """Some queries of one cell in a row, of all its streams; the unmeasured ones before them do not count.

    started: when the first counted query began, in seconds of a clock that all processes share. seconds: the counted
    queries took, the mean over streams. samples_ms: time of each query by stage. waited_ms: by stage, how much of a
    query's time passed without a core, the mean over queries.
    """

    started: float
    seconds: float
    samples_ms: dict[str, list[float]]
    waited_ms: dict[str, float]


def serve(work: CellWork, talk: Talk) -> None:
    """The life of a cell's process: it loads its model, then answers `warm up`, the `Queries` of a turn, `end`.

    Says first {import_ms, load_ms, first_call_ms}. Answers: {query_ms (with a core), warmup_queries, runtime}; turns
    as dictionaries; {peak_rss_mb, runtime}.
    """
    start = time.perf_counter_ns()
    load = work.prepare()
    import_ms = _ms(time.perf_counter_ns() - start)
    pin(work.loading_cores)
    start = time.perf_counter_ns()
    cell = load()
    load_ms = _ms(time.perf_counter_ns() - start)
    turns = CellTurns(cell, work)
    talk.send({"import_ms": import_ms, "load_ms": load_ms, "first_call_ms": turns.first_call()})
    pin(work.cores)
    with ThreadPoolExecutor(len(cell.sessions), thread_name_prefix="stream") as pool:
        while (request := talk.receive()) != "end":
            talk.send(turns.warm_up(pool) if request == "warm up" else asdict(turns.take(pool, request)))
    peak = peak_rss_mb()  # before the facts, which may load the file a second time
    talk.send({"peak_rss_mb": peak, "runtime": cell.sessions[0].facts()})


class CellTurns:
    """The sessions of one cell, each with the images that it rotates."""

    def __init__(self, cell: OpenCell, work: CellWork) -> None:
        count, images = len(cell.sessions), work.images
        firsts = [number * len(images) // count for number in range(count)]
        self._streams = [
            _Stream(session, cell, [*images[first:], *images[:first]], work.batch)
            for session, first in zip(cell.sessions, firsts, strict=True)
        ]
        self._threads = sum(session.threads for session in cell.sessions)

    def first_call(self) -> float:
        """Make the first call of each session; the time of the first of all in ms."""
        first, *_ = [stream.first_call() for stream in self._streams]
        return first

    def warm_up(self, pool: ThreadPoolExecutor) -> dict[str, Any]:
        """Do some queries that do not count, then see how many threads the network keeps at work."""
        turn = self.take(pool, Queries(1, _WARMUP_QUERIES))
        watched = _watch(pool, self._streams)
        total = [sum(stages) for stages in zip(*turn.samples_ms.values(), strict=True)]
        with_a_core = max(median(total) / 20, median(total) - sum(turn.waited_ms.values()))
        return {"query_ms": with_a_core, "warmup_queries": len(total) + len(self._streams), "runtime": watched}

    def take(self, pool: ThreadPoolExecutor, queries: Queries) -> Turn:
        """Take a turn.

        Raises:
            UserError: an image cannot be decoded.
        """
        with RunClock() as clock:
            running = [pool.submit(stream.queries, queries, clock) for stream in self._streams]
            clocks = [one.result() for one in running]
        intervals = [list(pairwise(moments)) for of_stream in clocks for moments in of_stream]
        by_stage = dict(zip(STAGES, zip(*intervals, strict=True), strict=True))
        return Turn(
            started=min(of_stream[0][0].wall for of_stream in clocks) / 1e9,
            seconds=fmean((of_stream[-1][-1].wall - of_stream[0][0].wall) / 1e9 for of_stream in clocks),
            samples_ms={stage: [_ms(b.wall - a.wall) for a, b in pairs] for stage, pairs in by_stage.items()},
            waited_ms={
                stage: _ms(fmean(held_up_ns(a, b, self._threads) for a, b in pairs))
                for stage, pairs in by_stage.items()
            },
        )


class _Stream:
    """One session with the images that it rotates."""

    def __init__(self, session: Session, cell: OpenCell, images: Images, batch: int) -> None:
        self._session, self._cell, self._batch = session, cell, batch
        self._rotation = cycle(images)
        record, data = images[0]
        self._pixels = self._stacked([decode_image(data, record, Path(record.file_name))] * batch)

    def queries(self, asked: Queries, clock: RunClock) -> list[list[Moment]]:
        """Do the queries of a turn; the moments before and after each stage of those that count."""
        return [self._query(clock) for _ in range(asked.unmeasured + asked.counted)][asked.unmeasured :]

    def _query(self, clock: RunClock) -> list[Moment]:
        chosen = list(islice(self._rotation, self._batch))
        records = [record for record, _ in chosen]
        moments = [clock.now()]
        decoded = [decode_image(data, record, Path(record.file_name)) for record, data in chosen]
        moments.append(clock.now())
        pixels = self._stacked(decoded)
        moments.append(clock.now())
        output = self._session.infer(pixels)
        moments.append(clock.now())
        self._cell.postprocess(output, records)
        moments.append(clock.now())
        return moments

    def first_call(self) -> float:
        """Make the session's first call; its time in ms. A second one checks what it returns, once.

        Raises:
            UserError: the network's output is not finite.
        """
        start = time.perf_counter_ns()
        self.call_network()
        first_call_ms = _ms(time.perf_counter_ns() - start)
        self._session.run(self._pixels)
        return first_call_ms

    def call_network(self) -> None:
        """One call of the network alone, always on the same image."""
        self._session.infer(self._pixels)

    def _stacked(self, decoded: Sequence[UInt8]) -> UInt8:
        singles = [self._cell.preprocess(image) for image in decoded]
        return singles[0][None] if len(singles) == 1 else np.stack(singles)


def _watch(pool: ThreadPoolExecutor, streams: Sequence[_Stream]) -> dict[str, Any]:
    """What `watch_threads` sees while the networks of all streams are called side by side."""
    over = Event()

    def go_on(stream: _Stream) -> None:
        while not over.is_set():
            stream.call_network()

    running = [pool.submit(go_on, stream) for stream in streams]
    try:
        return watch_threads(lambda: over.wait(0.01), _WATCH_SECONDS)
    finally:
        over.set()
        for one in running:
            one.result()


def _ms(nanoseconds: float) -> float:
    return round(nanoseconds / 1e6, 4)
