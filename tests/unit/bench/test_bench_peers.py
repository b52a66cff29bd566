"""What the benchmark says of other projects beside this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from measuring.benchmark_app import median_ms, paired_speed
from measuring.evaluation import write_case
from measuring.peer_evaluators import rows_of
from measuring.peer_runtimes import agreement
from ssdbench.timing.speeds import Speed


def evaluated(seconds: float, metric: float = 0.5) -> dict[str, object]:
    return {"load": seconds / 2, "evaluate": seconds / 2, "peak_mb": 100, "metrics": [metric] * 12}


def test_ours_is_held_against_the_fastest_and_each_against_pycocotools() -> None:
    rows = rows_of(
        {
            "ours": [evaluated(1.4), evaluated(1.5), evaluated(9.0)],
            "hotcoco": [evaluated(1.0)] * 3,
            "vernier": [evaluated(2.0, metric=0.5 + 1e-8)] * 3,
            "pycocotools": [evaluated(90.0)],
        }
    )

    against = next(row for row in rows if row.what == "ours / the fastest, hotcoco")
    assert (against.value, against.reached) == (1.5, False)
    equal = {row.what.split(":")[0]: row.reached for row in rows if row.bar == "equal"}
    assert equal == {"ours": True, "hotcoco": True, "vernier": False}


@pytest.mark.parametrize("name", ["ours", "pycocotools"])
def test_an_evaluator_says_what_it_took_and_finds_the_same(tmp_path: Path, name: str) -> None:
    case = write_case(tmp_path, 6)

    def run(evaluator: str) -> dict[str, object]:
        script = ROOT / "bench/measuring/one_evaluation.py"
        done = subprocess.run(
            [sys.executable, script, evaluator, case.annotations, case.detections],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(json.loads(done.stdout))

    result = run(name)

    assert result["load"] > 0 and result["evaluate"] > 0 and result["peak_mb"] > 10
    assert result["metrics"] == pytest.approx(run("pycocotools")["metrics"], abs=1e-9)


@pytest.mark.parametrize(
    ("speed", "other", "agrees"),
    [
        (Speed(1.2, 0.9, 1.5), None, True),  # the interval holds 1
        (Speed(1.04, 1.03, 1.05), None, True),  # under 5 %
        (Speed(0.9, 0.88, 0.92), None, False),
        (Speed(2.4, 2.3, 2.5), Speed(2.0, 1.8, 2.2), False),
        (Speed(2.4, 2.1, 2.7), Speed(2.0, 1.8, 2.2), True),
    ],
)
def test_speeds_agree_within_their_intervals_or_five_per_cent(speed: Speed, other: Speed | None, agrees: bool) -> None:
    assert agreement("pair", speed, other).reached is agrees


def test_the_speed_of_pairs_of_runs_has_an_interval() -> None:
    same = paired_speed([0.5, 0.5, 0.5])
    assert same.low == pytest.approx(same.speed) == pytest.approx(1.6487, abs=1e-4)

    # scipy.stats.t.interval(0.95, 2, loc=0.2, scale=0.1 / 3**0.5) of 0.1, 0.2, 0.3
    apart = paired_speed([0.1, 0.2, 0.3])
    assert (apart.low, apart.high) == (pytest.approx(0.9527, abs=1e-3), pytest.approx(1.5658, abs=1e-3))


def test_benchmark_apps_median_is_read() -> None:
    text = "[ INFO ] Latency:\n[ INFO ]    Median:        12.34 ms\n[ INFO ]    Average:       13.00 ms\n"
    assert median_ms(text) == 12.34
    with pytest.raises(ValueError, match="no median latency"):
        median_ms("[ ERROR ]")
