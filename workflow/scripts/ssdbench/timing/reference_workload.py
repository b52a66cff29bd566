"""The reference workload: a fixed piece of arithmetic that tells how fast a core is now."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np

from ssdbench.jobs.limited_process import Talk
from ssdbench.machine.cores import pin

# 96 x 96 float32, in and out, are 74 kB: more than most first-level caches hold and far less than a second-level one,
# so that the time is the core's and depends little on which pages of memory the arrays happen to get. Of 160 frames
# in 80 fresh processes all but one lay within 4.5 % of the quickest; with 205 kB five lay 7 to 14 % above, and with
# more than the second level of 512 kB holds the processes differed by 3 to 15 %.
_SIDE, _TAPS = 96, 9
# Some milliseconds, longer than a turn of Linux's scheduler (2.8 ms): another process on the core shows in most.
_PASSES = 125


def reference_workload() -> Callable[[], float]:
    """Make the workload ready; each call of what is returned gives the time in ms of 125 passes of a 9 x 9 filter over
    the same float image.

    The time is that on a core: what passes while the thread waits for one does not tell how fast it is. One thread,
    if OpenCV is held to one (`limit_pools`). Figures are comparable on one machine with one version of OpenCV.
    """
    random = np.random.default_rng(0)
    image = random.random((_SIDE, _SIDE), dtype=np.float32)
    kernel = random.random((_TAPS, _TAPS), dtype=np.float32)
    result = np.empty_like(image)

    def once() -> float:
        start = time.thread_time_ns()
        for _ in range(_PASSES):
            cv2.filter2D(image, -1, kernel, result)
        return round((time.thread_time_ns() - start) / 1e6, 4)

    return once


def serve_workload(cores: tuple[int, ...], talk: Talk) -> None:
    """The life of the workload's process on these cores: it answers `turn` with a time in ms until `end`.

    The run before the one that counts brings its data into the caches.
    """
    pin(cores)
    once = reference_workload()
    once()
    while talk.receive() != "end":
        once()
        talk.send(once())
