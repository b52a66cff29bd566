"""The timing of one round, in a process of its own.

A query is one call of the network with all that belongs to it: decode, preprocess, network and postprocess of
`batch` images, one stage after another in one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import cycle, pairwise
from pathlib import Path
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


def load_session(
    framework: str, path: Path, threads: int, normalisation: Normalisation, precision: str = "fp32"
) -> tuple[Session, dict[str, float]]:
    """Open a session and say how long it took: {import_ms, load_ms}, the framework apart from the file.

    Raises:
        UserError: as `open_session` says.
    """
    start = time.perf_counter_ns()
    import_framework(framework)
    imported = time.perf_counter_ns()
    session = open_session(framework, path, threads, normalisation, precision)
    loaded = time.perf_counter_ns()
    return session, {"import_ms": _ms(imported - start), "load_ms": _ms(loaded - imported)}


def measure(
    session: Session,
    images: Sequence[tuple[ImageRecord, bytes]],
    preprocess: Callable[[UInt8], UInt8],
    postprocess: Callable[[Heads | Finished, Sequence[ImageRecord]], object],
    seconds: float = 5.0,
    min_queries: int = 64,
    batch: int = 1,
) -> dict[str, Any]:
    """Time queries over the images in rotation until both `seconds` and `min_queries` are reached.

    Args:
        session: just opened; its first call is made and timed here.
        images: real images, encoded and already in memory.
        preprocess: from a decoded image, BGR [H, W, 3], to network pixels [S, S, 3].
        postprocess: from the network's output and the records of its images to detections.

    Returns:
        what a round file says of the measurement: {started, threads, batch, streams, queries, seconds, first_call_ms,
        warmup_queries, warmup_seconds, samples_ms: {stage: [a time for each query]}, peak_rss_mb, runtime,
        reference_ms: {before, after}, load}. `seconds` is the wall time of the timed queries, `reference_ms` the
        time of the reference workload right before and after them. No sample is left out.
    Raises:
        UserError: an image cannot be decoded, or the network's output is not finite.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    rotation = cycle(images)

    def query() -> list[int]:
        """Do one query; the clock in ns before and after each stage."""
        chosen = [next(rotation) for _ in range(batch)]
        records = [record for record, _ in chosen]
        clock = [time.perf_counter_ns()]
        decoded = [decode_image(data, record, Path(record.file_name)) for record, data in chosen]
        clock.append(time.perf_counter_ns())
        pixels = stacked(decoded)
        clock.append(time.perf_counter_ns())
        output = session.infer(pixels)
        clock.append(time.perf_counter_ns())
        postprocess(output, records)
        clock.append(time.perf_counter_ns())
        return clock

    def stacked(decoded: Sequence[UInt8]) -> UInt8:
        singles = [preprocess(image) for image in decoded]
        return singles[0][None] if batch == 1 else np.stack(singles)

    record, data = images[0]
    pixels = stacked([decode_image(data, record, Path(record.file_name))] * batch)
    start = time.perf_counter_ns()
    session.infer(pixels)
    first_call_ms = _ms(time.perf_counter_ns() - start)
    session.run(pixels)  # checks what it returns, once

    warmup, start = 0, time.perf_counter_ns()
    while warmup < WARMUP_QUERIES or time.perf_counter_ns() - start < WARMUP_SECONDS * 1e9:
        query()
        warmup += 1
    warmup_seconds = (time.perf_counter_ns() - start) / 1e9
    threads_facts = watch_threads(lambda: session.infer(pixels))

    clocks: list[list[int]] = []
    reference_before = reference_ms()
    before, start = read_counters(), time.perf_counter_ns()
    while len(clocks) < min_queries or time.perf_counter_ns() - start < seconds * 1e9:
        clocks.append(query())
    elapsed, after = time.perf_counter_ns() - start, read_counters()
    reference_after = reference_ms()

    peak = peak_rss_mb()  # before the facts, which may load the file a second time
    durations = [[_ms(end - begin) for begin, end in pairwise(clock)] for clock in clocks]
    samples = {stage: [row[i] for row in durations] for i, stage in enumerate(STAGES)}
    samples["end_to_end"] = [_ms(clock[-1] - clock[0]) for clock in clocks]
    return {
        "started": started,
        "threads": session.threads,
        "batch": batch,
        "streams": 1,
        "queries": len(clocks),
        "seconds": round(elapsed / 1e9, 3),
        "first_call_ms": first_call_ms,
        "warmup_queries": warmup,
        "warmup_seconds": round(warmup_seconds, 3),
        "samples_ms": samples,
        "peak_rss_mb": peak,
        "runtime": session.facts() | threads_facts,
        "reference_ms": {"before": reference_before, "after": reference_after},
        "load": load_between(before, after),
    }


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
