"""OpenVINO's own benchmark_app on an fp32 and an int8 file in turn, against the speed that this project finds."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import t

from measuring.cells import Target
from measuring.peer_runtimes import AGREE, agreement, own_work, timed_in_turns
from measuring.table import Measurement
from ssdbench.timing.round_file import speeds, turns_of
from ssdbench.timing.speeds import Speed

# -infer_precision: left to itself, OpenVINO computes an fp32 file in bfloat16 on CPUs that can.
_OPTIONS = "-d CPU -hint none -api sync -nstreams 1 -nthreads 1 -infer_precision f32"


def measure_benchmark_app(fp32: Target, int8: Target, times: int, rounds: int, seconds: float) -> Measurement:
    """Run benchmark_app this often on each file, alternately, and time both cells in turns of ours.

    seconds: of each run, and of each cell in each of our rounds.
    """
    medians = [{target.name: _median_ms(target, seconds) for target in (fp32, int8)} for _ in range(times)]
    theirs = paired_speed([math.log(one[fp32.name] / one[int8.name]) for one in medians])
    measured = timed_in_turns({target.name: own_work(target) for target in (fp32, int8)}, rounds, seconds)
    load = [one["load"] for one in measured]
    ours = speeds([turns_of(one) for one in measured], fp32.name, "network")[int8.name]
    return Measurement(
        "OpenVINO's benchmark_app",
        f"`benchmark_app {_OPTIONS}`, {times} runs of {seconds:g} s on each file, alternately. The speed is int8's "
        f"relative to fp32's, from the medians of pairs of runs; ours is from {rounds} rounds of turns. They found "
        f"{theirs.speed:.3f} ({theirs.low:.3f} to {theirs.high:.3f}) and we {ours.speed:.3f} ({ours.low:.3f} to "
        f"{ours.high:.3f}). They agree if the intervals overlap or they differ by under {AGREE:.0%}.",
        [agreement("int8 / fp32: speed by benchmark_app / ours", theirs, ours)],
        {
            "medians_ms": medians,
            "benchmark_app": vars(theirs),
            "ours": vars(ours),
            "load": load,
        },
    )


def paired_speed(differences: Sequence[float]) -> Speed:
    """The speed, and its 95 % interval (Student's t), from log(ms of one) - log(ms of the other) of pairs of runs."""
    count = len(differences)
    mean = sum(differences) / count
    error = math.sqrt(sum((one - mean) ** 2 for one in differences) / max(count - 1, 1) / count)
    half = error * float(t.ppf(0.975, max(count - 1, 1)))
    return Speed(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def median_ms(text: str) -> float:
    """The median latency that benchmark_app prints.

    Raises:
        ValueError: it prints none.
    """
    found = re.search(r"Median:\s+([0-9.]+) ms", text)
    if not found:
        raise ValueError(f"benchmark_app prints no median latency: {text[-500:]}")
    return float(found[1])


def _median_ms(target: Target, seconds: float) -> float:
    height, width = target.size
    shape = f"[1,{height},{width},3]"
    options = [*_OPTIONS.split(), "-pin", "NO", "-t", str(max(round(seconds), 1)), "-shape", shape]
    done = subprocess.run(
        [Path(sys.executable).with_name("benchmark_app"), "-m", target.artifact, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"benchmark_app failed on {target.artifact}: {(done.stdout + done.stderr)[-1000:]}")
    return median_ms(done.stdout)
