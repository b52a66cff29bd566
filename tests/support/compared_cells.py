"""Cells as `make compare` reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ssdbench.evaluation.bootstrap import Draws
from ssdbench.report.compare.results_folder import Measured
from support.report_cells import FP32, make_run

CPU_ID = "cpu family 25 model 1 stepping 1 microcode 0x1"


def make_draws(ap: float, *, spread: float = 0.01, shift: float = 0.0, images: int = 20, **changes: Any) -> Draws:
    """Replicates around an AP; those of two cells differ by `shift`, give or take half the spread."""
    noise = np.random.default_rng(1).normal(0, spread, (200, 5)) + shift
    own = np.random.default_rng(int(1e6 * ap)).normal(0, spread / 2, (200, 5))
    draws = Draws(np.arange(images), 0, np.full(5, ap), ap + noise + own)
    return replace(draws, **changes)


def make_cell(ap: float = FP32[0], *, detections: str = "", **words: Any) -> Measured:
    """A cell with everything that a comparison needs."""
    run = make_run(scores=(ap, *FP32[1:]), **words)
    run["timing"] |= {"host": {"cpu": "Example CPU", "cpu_id": CPU_ID, "governor": "performance"}}
    run["provenance"] = {**run["provenance"], "images_sha256": "i" * 64, "annotations_sha256": "a" * 64}
    images = {number: f"sha{number}" for number in range(20)}
    return Measured(run, images, detections or f"detections at {ap}", make_draws(ap))


def altered(cell: Measured, part: str, **changes: Any) -> Measured:
    """The cell with other facts in one part of its run.json."""
    return replace(cell, run={**cell.run, part: {**cell.run[part], **changes}})
