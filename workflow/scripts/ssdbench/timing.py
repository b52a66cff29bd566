"""Latency of one cell: a round in a process of its own, and the rounds of a setting taken together.

A query is one call of the network with all that belongs to it: decode, preprocess, network and postprocess of
`batch` images, one stage after another in one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import cycle, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ssdbench.coco import ImageRecord
from ssdbench.host import cpu_times, load_facts, peak_rss_mb, watch_threads
from ssdbench.normalisation import Normalisation
from ssdbench.outputs import Finished, Heads, UInt8
from ssdbench.pixels import decode_image
from ssdbench.runtimes import import_framework, open_session
from ssdbench.runtimes.base import Session

STAGES = ("decode", "preprocess", "network", "postprocess")
WARMUP_QUERIES, WARMUP_SECONDS = 8, 0.5

# Queries that a percentile needs before it can be stated (MLPerf inference rules, early stopping).
QUERIES_NEEDED = {"p50": 1, "p90": 64, "p99": 662, "p99.9": 6636}
_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}

# What `watch_threads` saw: it differs from round to round.
_WATCHED = ("cores_used", "threads_seen", "threads_at_work")

# More than this above the threads asked for is a pool of another size, not bookkeeping.
_CORES_TOLERANCE = 0.2


def load_session(
    framework: str, path: Path, threads: int, normalisation: Normalisation
) -> tuple[Session, dict[str, float]]:
    """Open a session and say how long it took: {import_ms, load_ms}, the framework apart from the file.

    Raises:
        UserError: as `open_session` says.
    """
    start = time.perf_counter_ns()
    import_framework(framework)
    imported = time.perf_counter_ns()
    session = open_session(framework, path, threads, normalisation)
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
        what a round file says of the measurement: {started, threads, batch, queries, seconds, first_call_ms,
        warmup_queries, warmup_seconds, samples_ms: {stage: [a time for each query]}, peak_rss_mb, runtime,
        load}. `seconds` is the wall time of the timed queries. No sample is left out.
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
    before, start = cpu_times(), time.perf_counter_ns()
    while len(clocks) < min_queries or time.perf_counter_ns() - start < seconds * 1e9:
        clocks.append(query())
    elapsed, after = time.perf_counter_ns() - start, cpu_times()

    peak = peak_rss_mb()  # before the facts, which may load the file a second time
    durations = [[_ms(end - begin) for begin, end in pairwise(clock)] for clock in clocks]
    samples = {stage: [row[i] for row in durations] for i, stage in enumerate(STAGES)}
    samples["end_to_end"] = [_ms(clock[-1] - clock[0]) for clock in clocks]
    return {
        "started": started,
        "threads": session.threads,
        "batch": batch,
        "queries": len(clocks),
        "seconds": round(elapsed / 1e9, 3),
        "first_call_ms": first_call_ms,
        "warmup_queries": warmup,
        "warmup_seconds": round(warmup_seconds, 3),
        "samples_ms": samples,
        "peak_rss_mb": peak,
        "runtime": session.facts() | threads_facts,
        "load": load_facts(before, after),
    }


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """The percentiles that so many samples carry (QUERIES_NEEDED), by nearest rank: each a measured value."""
    ordered = sorted(samples)
    return {
        name: ordered[math.ceil(share * len(ordered)) - 1]
        for name, share in _SHARES.items()
        if len(ordered) >= QUERIES_NEEDED[name]
    }


def combine_rounds(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the rounds of one setting say together: the content of timing.json.

    A figure is the median over rounds of what each round that is `ok` gives by itself. Rounds last equally long,
    so pooled samples would be mostly those of the fast rounds. A percentile comes from the rounds that carry
    it, and is null where none does; the network's are `latency_*`. Throughput is images over the wall time of
    the timed queries, in one stream from encoded image to detections. Peak memory is the largest. `per_round`
    keeps what each round gave. `host`, `runtime`, `versions` and `code_sha256` are the rounds' own; where rounds
    differ, a list of the different ones. With no round `ok` the status and reason are those of the first that
    failed, and there are no numbers.
    """
    if not rounds:
        raise ValueError("a setting has at least one round")
    first = next((r for r in rounds if r["status"] == "failed"), rounds[0])
    done = [r for r in rounds if r["status"] == "ok"]
    setting = {"setting": rounds[0]["setting"], "rounds": len(done)}
    if not done:
        verdict = {"timing_valid": False, "timing_reason": first["reason"]}
        return {key: first[key] for key in ("status", "reason", "log")} | setting | verdict
    stated = [{name: percentiles(r["samples_ms"][name]) for name in (*STAGES, "end_to_end")} for r in done]
    stages = {name: _median_percentiles([own[name] for own in stated]) for name in stated[0]}
    per_round = [_round_facts(r, own) for r, own in zip(done, stated, strict=True)]
    reasons = _doubts(rounds)
    return {
        "status": "ok",
        "reason": "",
        "log": done[0]["log"],
        **setting,
        "queries": sum(r["queries"] for r in done),
        **_latencies(stages),
        **{key: _median(r[key] for r in per_round) for key in ("throughput_ips", "load_ms", "first_call_ms")},
        "peak_rss_mb": max(r["peak_rss_mb"] for r in done),
        "timing_valid": not reasons,
        "timing_reason": "; ".join(reasons),
        "stages": stages,
        "per_round": per_round,
        "host": _common(r["host"] for r in done),
        "runtime": _common({k: v for k, v in r["runtime"].items() if k not in _WATCHED} for r in done),
        **{key: _common(r[key] for r in done) for key in ("versions", "code_sha256")},
    }


def _round_facts(done: Mapping[str, Any], stages: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What one round gave by itself, and what it says of the machine meanwhile."""
    return {
        **{key: done[key] for key in ("round", "started", "queries", "seconds")},
        **_latencies(stages),
        "throughput_ips": round(done["queries"] * done["batch"] / done["seconds"], 2),
        **{key: done[key] for key in ("load_ms", "first_call_ms", "peak_rss_mb")},
        **{key: done["runtime"][key] for key in _WATCHED},
        **done["load"],
    }


def _latencies(stages: Mapping[str, Mapping[str, float]]) -> dict[str, float | None]:
    """The figures that stand for a timing; None where there were too few queries."""
    names = {"latency": "network", "end_to_end": "end_to_end"}
    return {f"{name}_{share}_ms": stages[stage].get(share) for name, stage in names.items() for share in ("p50", "p90")}


def _median_percentiles(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median over rounds of each percentile, from the rounds that carry it."""
    carried = {name: [stated[name] for stated in rounds if name in stated] for name in _SHARES}
    return {name: _median(values) for name, values in carried.items() if values}


def _median(values: Iterable[float]) -> float:
    return round(median(values), 4)


def _common(values: Iterable[Any]) -> Any:
    """The value that all rounds agree on, or a list of the different ones."""
    different: list[Any] = []
    for value in values:
        if value not in different:
            different.append(value)
    return different[0] if len(different) == 1 else different


def _doubts(rounds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the timing of these rounds cannot be trusted; empty where nothing speaks against it."""
    reasons = []
    for r in rounds:
        if r["status"] != "ok":
            reasons.append(f"round {r['round']} {r['status']}: {r['reason']}")
            continue
        threads = r["threads"] * r["streams"]
        used, host = r["runtime"]["cores_used"], r["host"]
        available = min(host["cores_available"], host.get("cpu_limit", math.inf))
        if used > threads + _CORES_TOLERANCE:
            reasons.append(f"round {r['round']}: {used:g} cores at work where {threads} were asked for")
        if available < threads:
            reasons.append(f"round {r['round']}: {threads} threads on {available:g} available cores")
        if r["queries"] < QUERIES_NEEDED["p90"]:
            reasons.append(f"round {r['round']}: {r['queries']} queries, {QUERIES_NEEDED['p90']} are needed")
    return reasons


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 4)
