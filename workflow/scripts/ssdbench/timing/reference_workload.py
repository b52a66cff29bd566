"""The reference workload: a fixed piece of arithmetic that tells how fast a core is now."""

from __future__ import annotations

import time
from statistics import median

import cv2
import numpy as np

# 96 x 96 float32, in and out, are 74 kB: more than most first-level caches hold and far less than a second-level one,
# so that the time is the core's and depends little on which pages of memory the arrays happen to get. Of 160 frames
# in 80 fresh processes all but one lay within 4.5 % of the quickest; with 205 kB five lay 7 to 14 % above, and with
# more than the second level of 512 kB holds the processes differed by 3 to 15 %.
_SIDE, _TAPS = 96, 9
# Some milliseconds, longer than a turn of Linux's scheduler (2.8 ms): another process on the core shows in most.
_PASSES = 125
# Two frames stand around each stretch of a timing: short beside it, and one slow repetition is not the median.
_REPETITIONS = 5


def reference_ms() -> float:
    """The median time of five repetitions in ms, each 125 passes of a 9 x 9 filter over the same float image.

    One thread, if OpenCV is held to one (`limit_pools`). Figures are comparable on one machine with one version of
    OpenCV.
    """
    random = np.random.default_rng(0)
    image = random.random((_SIDE, _SIDE), dtype=np.float32)
    kernel = random.random((_TAPS, _TAPS), dtype=np.float32)
    result = np.empty_like(image)
    times: list[int] = []
    for _ in range(_REPETITIONS):
        start = time.perf_counter_ns()
        for _ in range(_PASSES):
            cv2.filter2D(image, -1, kernel, result)
        times.append(time.perf_counter_ns() - start)
    return round(median(times) / 1e6, 4)
