"""The rounds of one table's timing taken together: what each of its cells gets as timing.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ssdbench.timing.cell_turns import STAGES
from ssdbench.timing.doubts import doubts
from ssdbench.timing.machine_state import machine_words, pace
from ssdbench.timing.percentiles import percentiles
from ssdbench.timing.round_file import END_TO_END, samples, speeds, turns_of
from ssdbench.timing.speeds import Speed, times_as_long, verdict

Record = Mapping[str, Any]

# What `watch_threads` saw: it differs from round to round.
_WATCHED = ("cores_used", "threads_seen", "threads_at_work")
_NO_SPEED: dict[str, Any] = {
    **dict.fromkeys(("speed", "speed_low", "speed_high", "speed_more_s")),
    **{"speed_verdict": "", "speed_reference": "", "speeds": {}},
}


def combine_rounds(
    rounds: Sequence[Record], cells: Sequence[str], reference: str | None, enough: float
) -> dict[str, dict[str, Any]]:
    """What the rounds of a table at one setting say together: for each cell the content of its timing.json.

    Latencies are those of all counted queries of all rounds, as measured; a percentile is null if there are too few
    queries for it. Speeds are relative to the reference, see `relative_speeds`: `speed*` are those of the network,
    `speeds` those of every stage. Throughput is images over the time of their queries, from encoded image to
    detections. Load and first call are medians of the rounds, peak memory is the largest. `machine` says in sentences
    what the machine did meanwhile, `pace` at which share of its best pace the core ran; `timing_reason` what is wrong
    with the timing itself. `per_round` keeps what each round gave. A cell that failed in all rounds has the first
    one's reason and no numbers.

    Args:
        rounds: as their files hold them; one that was not needed, or that failed as a whole, has no cells.
        cells: by their names in the rounds, in the order of the table.
        reference: the cell that the others are compared with. If it was not timed, the first timed cell stands in.
            None: no cell has a speed.
        enough: the relative width of an interval that is narrow enough.
    """
    if not rounds:
        raise ValueError("a setting has at least one round")
    whole = [one for one in rounds if one.get("cells")]
    turns = [turns_of(one) for one in whole]
    timed = [name for name in cells if any(name in one.cells for one in turns)]
    stands = reference if reference in timed else next(iter(timed), None)
    is_compared = reference is not None and stands is not None and len(timed) > 1
    found = {stage: speeds(turns, stands, stage) for stage in (*STAGES, END_TO_END)} if is_compared and stands else {}
    seconds = sum(one["seconds"] for one in whole)
    timings = {}
    for name in cells:
        if name in timed:
            own = {stage: one[name] for stage, one in found.items() if name in one}
            columns = _speed_columns(own, stands or "", name == stands, enough, seconds) if is_compared else _NO_SPEED
            timings[name] = _timed(name, whole, columns, own.get("network"))
        else:
            timings[name] = _failed(name, rounds)
    return timings


def _failed(name: str, rounds: Sequence[Record]) -> dict[str, Any]:
    """A cell that no round timed."""
    records = [cell for one in rounds if (cell := one.get("cells", {}).get(name))]
    first = next(iter(records), None) or next((one for one in rounds if one["status"] != "ok"), rounds[0])
    return {
        **{key: first[key] for key in ("status", "reason", "log", "log_tail") if key in first},
        "setting": rounds[0]["setting"],
        "rounds": 0,
        "timing_valid": False,
        "timing_reason": first["reason"],
    }


def _timed(name: str, rounds: Sequence[Record], own: Record, speed: Speed | None) -> dict[str, Any]:
    """A cell that at least one round timed. own: its columns of speed."""
    done = [(one, one["cells"][name]) for one in rounds if one["cells"].get(name, {}).get("status") == "ok"]
    cells = [cell for _, cell in done]
    taken = {stage: [ms for cell in cells for ms in samples(cell["turns"], stage)] for stage in (*STAGES, END_TO_END)}
    stages = {stage: percentiles(times) for stage, times in taken.items()}
    reasons = doubts(name, rounds, speed)
    seconds = sum(sum(cell["turns"]["seconds"]) for cell in cells)
    per_round = [_round_facts(one, cell) for one, cell in done]
    return {
        "status": "ok",
        "reason": "",
        "log": done[0][0]["log"],
        "setting": done[0][0]["setting"],
        "rounds": len(done),
        "cycles": sum(len(cell["turns"]["cycle"]) for cell in cells),
        "queries": len(taken["network"]),
        **_latencies(stages),
        "latency_p50_low_ms": min(one["latency_p50_ms"] for one in per_round),
        "latency_p50_high_ms": max(one["latency_p50_ms"] for one in per_round),
        "throughput_ips": round(len(taken["network"]) * done[0][0]["batch"] / seconds, 2),
        **{key: _median(cell[key] for cell in cells) for key in ("load_ms", "first_call_ms")},
        "peak_rss_mb": max(cell["peak_rss_mb"] for cell in cells),
        **own,
        "timing_valid": not reasons,
        "timing_reason": "; ".join(reasons),
        "stages": stages,
        "machine": machine_words(rounds),
        "pace": pace(rounds),
        "cores": _common(one["cores"] for one, _ in done),
        "per_round": per_round,
        "host": _common(one["host"] for one, _ in done),
        "runtime": _common({k: v for k, v in cell["runtime"].items() if k not in _WATCHED} for cell in cells),
        **{key: _common(cell[key] for cell in cells) for key in ("versions", "code_sha256")},
    }


def _speed_columns(
    own: Mapping[str, Speed], reference: str, is_reference: bool, enough: float, seconds: float
) -> dict[str, Any]:
    """A cell's columns of speed. seconds: that the turns of the whole table took."""
    if is_reference:
        ones = dict.fromkeys(("speed", "speed_low", "speed_high"), 1.0)
        return {**_NO_SPEED, **ones, "speed_verdict": "reference", "speed_reference": reference}
    network = own.get("network")
    if network is None:
        return dict(_NO_SPEED)
    said = verdict(network, enough)
    times = times_as_long(network, enough) if said == "undecided" else None
    return {
        "speed": round(network.speed, 4),
        "speed_low": round(network.low, 4),
        "speed_high": round(network.high, 4),
        "speed_verdict": said,
        "speed_reference": reference,
        "speed_more_s": None if times is None else round((times - 1) * seconds),
        "speeds": {
            stage: {
                "speed": round(speed.speed, 4),
                "low": round(speed.low, 4),
                "high": round(speed.high, 4),
                "verdict": verdict(speed, enough),
            }
            for stage, speed in own.items()
        },
    }


def _round_facts(one: Record, cell: Record) -> dict[str, Any]:
    """What one round gave by itself, and what it says of the machine meanwhile."""
    turns = cell["turns"]
    stages = {stage: percentiles(samples(turns, stage)) for stage in ("network", END_TO_END)}
    queries, seconds = len(turns["samples_ms"]["network"]), sum(turns["seconds"])
    return {
        **{key: one[key] for key in ("round", "started")},
        "cycles": len(turns["cycle"]),
        "queries": queries,
        "seconds": round(seconds, 3),
        **_latencies(stages),
        "throughput_ips": round(queries * one["batch"] / seconds, 2),
        **{key: cell[key] for key in ("load_ms", "first_call_ms", "peak_rss_mb")},
        **{key: cell["runtime"][key] for key in _WATCHED},
        **one["load"],
        "reference_ms": round(median(one["workload_ms"]), 4),
    }


def _latencies(stages: Mapping[str, Mapping[str, float]]) -> dict[str, float | None]:
    """The figures that stand for a timing; None if there were too few queries."""
    names = {"latency": "network", "end_to_end": END_TO_END}
    return {f"{name}_{share}_ms": stages[stage].get(share) for name, stage in names.items() for share in ("p50", "p90")}


def _median(values: Iterable[float]) -> float:
    return round(median(values), 4)


def _common(values: Iterable[Any]) -> Any:
    """The value that all rounds agree on, or a list of the different ones."""
    different: list[Any] = []
    for value in values:
        if value not in different:
            different.append(value)
    return different[0] if len(different) == 1 else different
