"""What the machine did while cells were timed, in plain words: nothing of it speaks against the speeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np

from ssdbench.timing.quiet_cycles import quiet_cycles

Record = Mapping[str, Any]

# Below these, a machine counts as quiet: about what a quiet one shows.
_PACE, _OTHER_CORES, _WAITED, _STEAL, _THROTTLED = 0.95, 0.1, 0.02, 0.02, 0.01
# Even then a few cycles are disturbed.
_COUNTED = 0.8


def pace(rounds: Sequence[Record]) -> float | None:
    """The share of its best pace at which the core ran for most of the time; None without the reference workload.

    The median run of the reference workload against its quickest in all rounds.
    """
    runs = [ms for one in rounds for ms in one["workload_ms"]]
    return min(runs) / median(runs) if runs else None


def waited_share(turns: Record) -> float:
    """The share of a cell's turns that passed without a core, from 0 to 1."""
    waited = [sum(stages) for stages in zip(*turns["waited_ms"].values(), strict=True)]
    taken = sum(map(sum, turns["samples_ms"].values()))
    held = sum(ms * queries for ms, queries in zip(waited, turns["queries"], strict=True))
    return held / taken if taken else 0.0


def machine_words(rounds: Sequence[Record]) -> list[str]:
    """A sentence for each thing that other work, the container or the hypervisor did; empty on a quiet machine.

    Args:
        rounds: those that were measured, as their files hold them.
    """
    said = []
    if (share := pace(rounds)) is not None and share < _PACE:
        said.append(f"The core ran at {share:.0%} of its best pace for most of the time.")
    chosen = np.concatenate([[], *quiet_cycles([np.array(one["workload_ms"]) for one in rounds])])
    if len(chosen) and chosen.mean() < _COUNTED:
        said.append(f"Speeds are those of {chosen.sum():.0f} of {len(chosen)} cycles, in which it was at its best.")
    loads = [one["load"] for one in rounds]
    if (other := _mean(loads, "other_cores")) > _OTHER_CORES:
        said.append(f"Other work kept {other:.2f} cores busy.")
    shares = [waited_share(cell["turns"]) for one in rounds for cell in one["cells"].values() if cell["status"] == "ok"]
    if shares and fmean(shares) > _WAITED:
        said.append(f"The cells waited for a core for {fmean(shares):.0%} of their turns, which speeds leave out.")
    if (steal := _mean(loads, "steal_cores")) > _STEAL:
        said.append(f"The hypervisor took away {steal:.2f} cores.")
    if (throttled := _mean(loads, "throttled_cores")) > _THROTTLED:
        said.append(f"The container's CPU limit held back {throttled:.2f} cores.")
    if hot := sum(load.get("heat_throttles", 0.0) for load in loads):
        said.append(f"The processor slowed itself for heat {hot:g} times.")
    return [sentence.replace("%", " %") for sentence in said]


def _mean(loads: Sequence[Mapping[str, float]], name: str) -> float:
    return fmean(load.get(name, 0.0) for load in loads) if loads else 0.0
