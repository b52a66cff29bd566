"""Percentiles, and how many samples each needs before it can be stated."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Queries that a percentile needs before it can be stated (MLPerf inference rules, early stopping).
QUERIES_NEEDED = {"p50": 1, "p90": 64, "p99": 662, "p99.9": 6636}
_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def percentiles(samples: Sequence[float]) -> dict[str, float]:
    """The percentiles that so many samples carry (QUERIES_NEEDED), by nearest rank: each a measured value."""
    ordered = sorted(samples)
    return {
        name: ordered[math.ceil(share * len(ordered)) - 1]
        for name, share in _SHARES.items()
        if len(ordered) >= QUERIES_NEEDED[name]
    }
