"""Made-up rounds of a timing, as their files hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def a_round(number: int, network: Sequence[float], **changes: Any) -> dict[str, Any]:
    """A quiet round on four cores, in one stretch; end to end takes twice the network's time.

    changes: of the round; `disturbed`: so many of its first queries are a stretch of their own, which was disturbed.
    """
    runtime = {"version": "1.0", "cores_used": 1.0 - number / 100, "threads_seen": 1, "threads_at_work": 1}
    runtime |= changes.pop("runtime", {})
    host = {"cpu": "Example", "cores": 4, "cores_available": 4} | changes.pop("host", {})
    load = {"load_average": 1.0, "own_cores": 1.0, "other_cores": number / 100, "steal_cores": 0.0}
    disturbed, reference = changes.pop("disturbed", 0), changes.pop("reference_ms", [4.0, 4.02])
    parts = [({"other": 1.5}, network[:disturbed]), ({}, network[disturbed:])]
    stages = {name: [0.5 * ms for ms in network] for name in ("decode", "preprocess")}
    return {
        "status": "ok",
        "reason": "",
        "log": f"logs/{number}.log",
        "setting": "b1-t1-s1",
        "round": number,
        "threads": 1,
        "batch": 1,
        "streams": 1,
        "load_ms": 10.0 * number,
        "first_call_ms": 5.0 * number,
        "samples_ms": stages
        | {
            "network": list(network),
            "postprocess": [0.0] * len(network),
            "end_to_end": [2 * ms for ms in network],
        },
        "stretches": [
            {
                "queries": [len(times)],
                "seconds": 2 * sum(times) / 1e3,
                "reference_ms": reference,
                "load": load,
                "disturbances": found,
            }
            for found, times in parts
            if times
        ],
        "is_undisturbed": True,
        "disturbances": [],
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 2 * sum(network) / 1e3,
        "queries": len(network),
        "peak_rss_mb": 100.0 + number,
        "runtime": runtime,
        "load": load,
        "host": host,
        "versions": {"onnxruntime": "1.0"},
        "code_sha256": "ab",
    } | changes


def failed_round(number: int, status: str = "failed", reason: str = "it crashed") -> dict[str, Any]:
    """A round without a measurement."""
    return {
        "status": status,
        "reason": reason,
        "log": f"logs/{number}.log",
        "setting": "b1-t1-s1",
        "round": number,
    }
