"""Which cycles of a timing count: those in which the machine was at its best, or nearly so.

A neighbour on the machine does not slow every runtime by the same factor: one that made the reference 1.36 times as
slow made another cell of the same cycles only 1.16 times as slow. Between busy and quiet cycles the ratio of two cells
therefore differs, and their mean depends on how much of each a run happened to meet. The quiet ones are alike from run
to run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssdbench.arrays import Bool, Float64

# A tenth of all cycles shows the machine's best pace; up to this much slower counts as the same.
_BEST_SHARE, _NEARLY = 0.10, 1.08
# Where the pace changes all the time, this share of the cycles counts at least.
_LEAST_SHARE = 0.25
# A round with fewer says too little of its processes, and one round alone says nothing of how processes differ.
FEWEST_CYCLES, _FEWEST_ROUNDS = 8, 2


def quiet_cycles(workload_ms: Sequence[Float64]) -> list[Bool]:
    """For each round which of its cycles count.

    A cycle counts if the reference workload then took at most 8 % longer than in the quickest tenth of all cycles, or
    if it is of the quickest quarter. The limit rises until two rounds have eight such cycles; a round with fewer
    counts with none.

    Args:
        workload_ms: for each round what the reference workload took in each cycle [cycles].

    Returns:
        for each round bool [cycles].
    """
    together = np.concatenate([np.empty(0), *workload_ms])
    enough = sorted(np.sort(ms)[FEWEST_CYCLES - 1] for ms in workload_ms if len(ms) >= FEWEST_CYCLES)
    if not enough:  # too short to choose
        return [np.ones(len(ms), bool) for ms in workload_ms]
    limit = max(
        _NEARLY * np.quantile(together, _BEST_SHARE),
        np.quantile(together, _LEAST_SHARE),
        enough[min(_FEWEST_ROUNDS, len(enough)) - 1],
    )
    chosen = [ms <= limit for ms in workload_ms]
    return [own & (own.sum() >= FEWEST_CYCLES) for own in chosen]
