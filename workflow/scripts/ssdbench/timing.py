"""The timing of one round, in a process of its own.

A query is one call of the network with all that belongs to it: decode, preprocess, network and postprocess of
`batch` images, one stage after another in one thread. A stream is a thread that does one query after another in a
session of its own; streams run side by side and share nothing but the process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import cycle, islice, pairwise
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from ssdbench.coco import ImageRecord
from ssdbench.counters import load_between, read_counters, watch_threads
from ssdbench.host import peak_rss_mb
from ssdbench.normalisation import Normalisation
from ssdbench.outputs import Finished, Heads, UInt8
from ssdbench.pixels import decode_image
from ssdbench.runtimes import import_framework, open_session
from ssdbench.runtimes.base import Session
from ssdbench.workload import reference_ms

STAGES = ("decode", "preprocess", "network", "postprocess")
WARMUP_QUERIES, WARMUP_SECONDS = 8, 0.5

# Queries that a percentile needs before it can be stated (MLPerf inference rules, early stopping).
QUERIES_NEEDED = {"p50": 1, "p90": 64, "p99": 662, "p99.9": 6636}
_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def load_sessions(
    framework: str,
    path: Path,
    threads: int,
    normalisation: Normalisation,
    precision: str = "fp32",
    streams: int = 1,
) -> tuple[list[Session], dict[str, float]]:
    """Open a session for each stream and say how long it took: {import_ms, load_ms}, the framework apart from the file.

    `load_ms` is the time of the first session; those after it may find the file in memory.

    Raises:
        UserError: as `open_session` says.
    """
    start = time.perf_counter_ns()
    import_framework(framework)
    imported = time.perf_counter_ns()
    first = open_session(framework, path, threads, normalisation, precision)
    loaded = time.perf_counter_ns()
    others = [open_session(framework, path, threads, normalisation, precision) for _ in range(streams - 1)]
    return [first, *others], {"import_ms": _ms(imported - start), "load_ms": _ms(loaded - imported)}


def measure(
    sessions: Sequence[Session],
    images: Sequence[tuple[ImageRecord, bytes]],
    preprocess: Callable[[UInt8], UInt8],
    postprocess: Callable[[Heads | Finished, Sequence[ImageRecord]], object],
    seconds: float = 5.0,
    min_queries: int = 64,
    batch: int = 1,
) -> dict[str, Any]:
    """Time queries over the images in rotation until both `seconds` and `min_queries` are reached.

    Args:
        sessions: one for each stream, just opened; their first calls are made here, and the first of all is timed.
        images: real images, encoded and already in memory; each stream begins at another one.
        preprocess: from a decoded image, BGR [H, W, 3], to network pixels [S, S, 3].
        postprocess: from the network's output and the records of its images to detections; all streams call it.

    Returns:
        what a round file says of the measurement: {started, threads, batch, streams, queries, seconds, first_call_ms,
        warmup_queries, warmup_seconds, samples_ms: {stage: [a time for each query, one stream after another]},
        queries_of_streams, peak_rss_mb, runtime, reference_ms: {before, after}, load}. `threads` are those of one
        stream. `seconds` is the wall time from the start of the streams to the end of the last query, `reference_ms`
        the time of the reference workload right before and after it. No sample is left out.
    Raises:
        UserError: an image cannot be decoded, or the network's output is not finite.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    streams = []
    for number, session in enumerate(sessions):
        first = number * len(images) // len(sessions)
        streams.append(_Stream(session, [*images[first:], *images[:first]], preprocess, postprocess, batch))
    first_call_ms, *_ = [stream.first_call() for stream in streams]
    # The threads live until the last counter is read, so that what each of them waited is still to be seen.
    with ThreadPoolExecutor(len(streams), thread_name_prefix="stream") as pool:
        warmup, warmup_seconds = _side_by_side(pool, streams, WARMUP_SECONDS, WARMUP_QUERIES * len(streams))
        threads_facts = _watch(pool, streams)
        reference_before = reference_ms()
        before = read_counters()
        clocks, elapsed = _side_by_side(pool, streams, seconds, min_queries)
        after = read_counters()
    reference_after = reference_ms()

    peak = peak_rss_mb()  # before the facts, which may load the file a second time
    queries = [clock for of_stream in clocks for clock in of_stream]
    durations = [[_ms(end - begin) for begin, end in pairwise(clock)] for clock in queries]
    samples = {stage: [row[i] for row in durations] for i, stage in enumerate(STAGES)}
    samples["end_to_end"] = [_ms(clock[-1] - clock[0]) for clock in queries]
    return {
        "started": started,
        "threads": sessions[0].threads,
        "batch": batch,
        "streams": len(streams),
        "queries": len(queries),
        "seconds": round(elapsed, 3),
        "first_call_ms": first_call_ms,
        "warmup_queries": sum(map(len, warmup)),
        "warmup_seconds": round(warmup_seconds, 3),
        "samples_ms": samples,
        "queries_of_streams": list(map(len, clocks)),
        "peak_rss_mb": peak,
        "runtime": sessions[0].facts() | threads_facts,
        "reference_ms": {"before": reference_before, "after": reference_after},
        "load": load_between(before, after),
    }


class _Stream:
    """One session with the images that it rotates."""

    def __init__(
        self,
        session: Session,
        images: Sequence[tuple[ImageRecord, bytes]],
        preprocess: Callable[[UInt8], UInt8],
        postprocess: Callable[[Heads | Finished, Sequence[ImageRecord]], object],
        batch: int,
    ) -> None:
        self._session, self._preprocess, self._postprocess, self._batch = session, preprocess, postprocess, batch
        self._rotation = cycle(images)
        record, data = images[0]
        self._pixels = self._stacked([decode_image(data, record, Path(record.file_name))] * batch)

    def query(self) -> list[int]:
        """Do one query; the clock in ns before and after each stage."""
        chosen = list(islice(self._rotation, self._batch))
        records = [record for record, _ in chosen]
        clock = [time.perf_counter_ns()]
        decoded = [decode_image(data, record, Path(record.file_name)) for record, data in chosen]
        clock.append(time.perf_counter_ns())
        pixels = self._stacked(decoded)
        clock.append(time.perf_counter_ns())
        output = self._session.infer(pixels)
        clock.append(time.perf_counter_ns())
        self._postprocess(output, records)
        clock.append(time.perf_counter_ns())
        return clock

    def first_call(self) -> float:
        """Make the session's first call; its time in ms. A second one checks what it returns, once."""
        start = time.perf_counter_ns()
        self.call_network()
        first_call_ms = _ms(time.perf_counter_ns() - start)
        self._session.run(self._pixels)
        return first_call_ms

    def call_network(self) -> None:
        """One call of the network alone, always on the same image."""
        self._session.infer(self._pixels)

    def _stacked(self, decoded: Sequence[UInt8]) -> UInt8:
        singles = [self._preprocess(image) for image in decoded]
        return singles[0][None] if len(singles) == 1 else np.stack(singles)


def _side_by_side(
    pool: ThreadPoolExecutor, streams: Sequence[_Stream], seconds: float, least: int
) -> tuple[list[list[list[int]]], float]:
    """Let all streams query until `seconds` are over and they have done `least` queries together.

    Returns:
        the clocks of their queries, stream by stream, and the wall time in seconds.
    """
    clocks: list[list[list[int]]] = [[] for _ in streams]
    start = time.perf_counter_ns()

    def go_on(stream: _Stream, done: list[list[int]]) -> None:
        while sum(map(len, clocks)) < least or time.perf_counter_ns() - start < seconds * 1e9:
            done.append(stream.query())

    running = [pool.submit(go_on, stream, done) for stream, done in zip(streams, clocks, strict=True)]
    for one in running:
        one.result()
    return clocks, (time.perf_counter_ns() - start) / 1e9


def _watch(pool: ThreadPoolExecutor, streams: Sequence[_Stream]) -> dict[str, Any]:
    """What `watch_threads` sees while the networks of all streams are called side by side."""
    over = Event()

    def go_on(stream: _Stream) -> None:
        while not over.is_set():
            stream.call_network()

    running = [pool.submit(go_on, stream) for stream in streams]
    try:
        return watch_threads(lambda: over.wait(0.01))
    finally:
        over.set()
        for one in running:
            one.result()


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """The percentiles that so many samples carry (QUERIES_NEEDED), by nearest rank: each a measured value."""
    ordered = sorted(samples)
    return {
        name: ordered[math.ceil(share * len(ordered)) - 1]
        for name, share in _SHARES.items()
        if len(ordered) >= QUERIES_NEEDED[name]
    }


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 4)
