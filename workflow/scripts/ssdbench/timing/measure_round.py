"""The timing of one round, in a process of its own.

A query is one call of the network with all that belongs to it: decode, preprocess, network and postprocess of
`batch` images, one stage after another in one thread. A stream is a thread that does one query after another in a
session of its own; streams run side by side and share nothing but the process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import fmean
from threading import Event
from typing import Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.coco.image_list import ImageRecord
from ssdbench.images.pixels import decode_image
from ssdbench.machine.counters import load_between, read_counters, watch_threads
from ssdbench.machine.host import peak_rss_mb
from ssdbench.runtimes import import_framework, open_session
from ssdbench.runtimes.base import Session
from ssdbench.timing.disturbances import Machine, found_in, in_words
from ssdbench.timing.percentiles import QUERIES_NEEDED
from ssdbench.timing.reference_workload import reference_ms
from ssdbench.timing.stretches import Stretch, as_records, lasts

_LOG = logging.getLogger(__name__)

STAGES = ("decode", "preprocess", "network", "postprocess")
WARMUP_QUERIES, WARMUP_SECONDS = 8, 0.5

# A stretch is short enough that most disturbances fill it or miss it, and long beside its two frames of some 25 ms and
# the query after the first, which takes 7 % longer than the others and is not counted. Where streams end a stretch one
# after the other, the last ones have the machine for themselves: so many more queries in a stretch.
_STRETCH_SECONDS, _STRETCH_QUERIES = 0.15, 4


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
    host: Mapping[str, Any],
    seconds: float = 4.0,
    patience: float = 4.0,
    batch: int = 1,
) -> dict[str, Any]:
    """Time queries over the images in rotation, stretch by stretch, until the undisturbed stretches are enough.

    That is, until they last `seconds` and hold as many queries as p90 needs, or until all stretches come to
    `patience` times that.

    Args:
        sessions: one for each stream, just opened; their first calls are made here, and the first of all is timed.
        images: real images, encoded and already in memory; each stream begins at another one.
        preprocess: from a decoded image, BGR [H, W, 3], to network pixels [S, S, 3].
        postprocess: from the network's output and the records of its images to detections; all streams call it.
        host: `host_facts`.

    Returns:
        what a round file says of the measurement: {started, threads, batch, streams, queries, seconds, first_call_ms,
        warmup_queries, warmup_seconds, samples_ms: {stage: [a time for each query, stretch after stretch, and in each
        one stream after another]}, stretches, is_undisturbed, disturbances, peak_rss_mb, runtime, load}. `threads` are
        those of one stream. Each of `stretches` is {queries: [of each stream], seconds, reference_ms: [before,
        after], load, disturbances: {kind: figure}}. is_undisturbed: whether at least half of `seconds`, and
        enough queries, were undisturbed. disturbances: in words what disturbed the others. No sample is
        left out here.
    Raises:
        UserError: an image cannot be decoded, or the network's output is not finite.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    streams = []
    for number, session in enumerate(sessions):
        first = number * len(images) // len(sessions)
        streams.append(_Stream(session, [*images[first:], *images[:first]], preprocess, postprocess, batch))
    first_call_ms, *_ = [stream.first_call() for stream in streams]
    queries: list[list[int]] = []
    stretches: list[Stretch] = []
    needed = QUERIES_NEEDED["p90"]
    # The threads live until the last counter is read, so that what each of them waited is still to be seen.
    with ThreadPoolExecutor(len(streams), thread_name_prefix="stream") as pool:
        warmup = _side_by_side(pool, streams, WARMUP_SECONDS, WARMUP_QUERIES)
        watched = _watch(pool, streams)
        machine = Machine.of(host, sessions[0].threads * len(streams), watched["threads_at_work"])
        first_reading = read_counters()
        while True:
            before = read_counters()
            done = _side_by_side(pool, streams, _STRETCH_SECONDS, _STRETCH_QUERIES * len(streams))
            after = read_counters()
            queries += [clock for stint in done for clock in stint.queries]
            stretches.append(_stretch(done, load_between(before, after)))
            found = found_in(stretches, machine)
            quiet = [stretch for stretch, what in zip(stretches, found, strict=True) if not what]
            if lasts(quiet, seconds, needed) or lasts(stretches, patience * seconds, patience * needed):
                break

    peak = peak_rss_mb()  # before the facts, which may load the file a second time
    durations = [[_ms(end - begin) for begin, end in pairwise(clock)] for clock in queries]
    samples = {stage: [row[i] for row in durations] for i, stage in enumerate(STAGES)}
    samples["end_to_end"] = [_ms(clock[-1] - clock[0]) for clock in queries]
    is_undisturbed = lasts(quiet, seconds / 2, needed)
    words = in_words(stretches, found)
    undisturbed, in_all = (sum(s.seconds for s in which) for which in (quiet, stretches))
    _LOG.log(
        logging.INFO if is_undisturbed else logging.WARNING,
        "%d queries, undisturbed for %.1f of %.1f s%s",
        len(queries),
        undisturbed,
        in_all,
        "".join(f"; {sentence}" for sentence in words) + ".",
    )
    return {
        "started": started,
        "threads": sessions[0].threads,
        "batch": batch,
        "streams": len(streams),
        "queries": len(queries),
        "seconds": round(in_all, 3),
        "first_call_ms": first_call_ms,
        # each stream makes one before every stretch, too
        "warmup_queries": sum(len(stint.queries) for stint in warmup) + len(streams) * (1 + len(stretches)),
        "warmup_seconds": round(_stretch(warmup, {}).seconds, 3),
        "samples_ms": samples,
        "stretches": as_records(stretches, found),
        "is_undisturbed": is_undisturbed,
        "disturbances": words,
        "peak_rss_mb": peak,
        "runtime": sessions[0].facts() | watched,
        "load": load_between(first_reading, after),
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


@dataclass(frozen=True)
class _Stint:
    """What one stream did in a stretch: the clocks of its queries, their seconds, and the frames around them in ms."""

    queries: list[list[int]]
    seconds: float
    reference_ms: tuple[float, float]


def _side_by_side(pool: ThreadPoolExecutor, streams: Sequence[_Stream], seconds: float, least: int) -> list[_Stint]:
    """Let all streams query until `seconds` are over and they have done `least` queries each, on average.

    The frames are run by the stream's own thread: they tell of the core that it is on. A query that is not counted
    goes before the others: the first after something else takes longer.
    """
    clocks: list[list[list[int]]] = [[] for _ in streams]

    def go_on(stream: _Stream, done: list[list[int]]) -> _Stint:
        before = reference_ms()
        stream.query()
        start = time.perf_counter_ns()
        while sum(map(len, clocks)) < least * len(streams) or time.perf_counter_ns() - start < seconds * 1e9:
            done.append(stream.query())
        elapsed = (time.perf_counter_ns() - start) / 1e9
        return _Stint(done, elapsed, (before, reference_ms()))

    running = [pool.submit(go_on, stream, done) for stream, done in zip(streams, clocks, strict=True)]
    return [one.result() for one in running]


def _stretch(stints: Sequence[_Stint], load: Mapping[str, float]) -> Stretch:
    """Streams side by side, taken together: the slowest frame counts."""
    return Stretch(
        queries=tuple(len(stint.queries) for stint in stints),
        seconds=fmean(stint.seconds for stint in stints),
        reference_ms=(max(stint.reference_ms[0] for stint in stints), max(stint.reference_ms[1] for stint in stints)),
        load=load,
    )


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


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 4)
