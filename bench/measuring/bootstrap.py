"""What the paired bootstrap of one cell takes: time on one core, and memory."""

from __future__ import annotations

import time
from statistics import median

from measuring.evaluation import Case
from measuring.table import Measurement, at_most
from measuring.workers import Result, Work, once
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.evaluation.bootstrap import draw
from ssdbench.evaluation.coco_matching import match
from ssdbench.machine.host import peak_rss_mb

SECONDS_BAR, MEMORY_BAR = 15, 2000


def measure_bootstrap(case: Case, replicates: int, rounds: int) -> Measurement:
    """Match the case's detections and compute AP on draws of its images, each time in a fresh process."""
    results = [once(_drawn, case, replicates) for _ in range(rounds)]
    seconds, peak = (median(one[key] for one in results) for key in ("seconds", "peak_mb"))
    return Measurement(
        "Paired bootstrap of one cell",
        f"{replicates} draws of {case.images} images with 100 detections each, on one core: matching and drawing, "
        f"without loading; {rounds} rounds, each in a fresh process.",
        [
            at_most("matching and drawing", seconds, SECONDS_BAR, unit="s"),
            at_most("peak memory", peak, MEMORY_BAR, unit="MB"),
        ],
        {"rounds": results},
    )


def _drawn(case: Case, replicates: int) -> Work:
    truth, found = read_annotations(case.annotations), read_detections(case.detections)

    def work() -> Result:
        start, core = time.perf_counter(), time.process_time()
        draw(match(truth, found, range(1, case.images + 1)), replicates)
        return {
            "seconds": time.perf_counter() - start,
            "core_seconds": time.process_time() - core,
            "peak_mb": peak_rss_mb(),
        }

    return work
