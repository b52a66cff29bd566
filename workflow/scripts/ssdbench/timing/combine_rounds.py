"""The rounds of one cell's timing, taken together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ssdbench.timing.disturbances import doubts
from ssdbench.timing.percentiles import QUERIES_NEEDED, percentiles
from ssdbench.timing.stretches import pace_ms, seconds_of, used, used_samples

_OF_ROUNDS = ("throughput_ips", "load_ms", "first_call_ms", "reference_ms")
# What `watch_threads` saw: it differs from round to round.
_WATCHED = ("cores_used", "threads_seen", "threads_at_work")


def combine_rounds(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the rounds of one setting say together: the content of timing.json.

    A figure is the median over rounds of what each round that is `ok` gives by itself, from its undisturbed stretches
    where these are enough. Rounds last equally long,
    so pooled samples would be mostly those of the fast rounds. A percentile comes from the rounds that carry
    it, and is null where none does; the network's are `latency_*`, with the lowest and the highest median of the
    rounds. Throughput is images over the time of their queries, in one stream from encoded image to
    detections. Peak memory is the largest. `reference_ms` is that of the reference workload, as for a figure.
    `timing_reason` says all that speaks against the timing. `per_round` keeps what each round gave.
    `host`, `runtime`, `versions` and `code_sha256` are the rounds' own; where rounds differ, a list of the different
    ones. With no round `ok` the status and reason are those of the first that failed, and there are no numbers.
    """
    if not rounds:
        raise ValueError("a setting has at least one round")
    first = next((r for r in rounds if r["status"] == "failed"), rounds[0])
    done = [r for r in rounds if r["status"] == "ok"]
    setting = {"setting": rounds[0]["setting"], "rounds": len(done)}
    if not done:
        verdict = {"timing_valid": False, "timing_reason": first["reason"]}
        return {key: first[key] for key in ("status", "reason", "log")} | setting | verdict
    stated = [{name: percentiles(times) for name, times in used_samples(r).items()} for r in done]
    stages = {name: _median_percentiles([own[name] for own in stated]) for name in stated[0]}
    per_round = [_round_facts(r, own) for r, own in zip(done, stated, strict=True)]
    medians = [r["latency_p50_ms"] for r in per_round]
    reasons = doubts(rounds)
    return {
        "status": "ok",
        "reason": "",
        "log": done[0]["log"],
        **setting,
        "queries": sum(r["queries"] for r in per_round),
        **_latencies(stages),
        "latency_p50_low_ms": min(medians),
        "latency_p50_high_ms": max(medians),
        **{key: _median(r[key] for r in per_round) for key in _OF_ROUNDS},
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
    """What one round gave by itself, and what it says of the machine meanwhile. `left_out_s`: disturbed seconds."""
    stretches = used(done)
    queries, seconds = sum(sum(s["queries"]) for s in stretches), seconds_of(stretches)
    return {
        **{key: done[key] for key in ("round", "started")},
        "queries": queries,
        "seconds": round(seconds, 3),
        "left_out_s": round(seconds_of(done["stretches"]) - seconds, 3),
        **_latencies(stages),
        "throughput_ips": round(queries * done["batch"] / seconds, 2),
        **{key: done[key] for key in ("load_ms", "first_call_ms", "peak_rss_mb")},
        **{key: done["runtime"][key] for key in _WATCHED},
        **done["load"],
        "reference_ms": round(pace_ms(done), 4),
        **{key: done[key] for key in ("is_undisturbed", "disturbances")},
    }


def _latencies(stages: Mapping[str, Mapping[str, float]]) -> dict[str, float | None]:
    """The figures that stand for a timing; None where there were too few queries."""
    names = {"latency": "network", "end_to_end": "end_to_end"}
    return {f"{name}_{share}_ms": stages[stage].get(share) for name, stage in names.items() for share in ("p50", "p90")}


def _median_percentiles(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median over rounds of each percentile, from the rounds that carry it."""
    carried = {name: [stated[name] for stated in rounds if name in stated] for name in QUERIES_NEEDED}
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
