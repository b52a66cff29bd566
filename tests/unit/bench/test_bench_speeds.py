"""How far timings lie apart."""

from __future__ import annotations

import pytest

from measuring.speeds import _row, apart


def test_values_lie_apart_by_the_largest_above_the_smallest() -> None:
    assert apart([2.0, 2.1, 1.9]) == pytest.approx(100 * (2.1 / 1.9 - 1))
    assert apart([3.0, 3.0]) == 0


def test_a_cell_is_judged_by_its_speeds_and_its_medians_stand_beside_them() -> None:
    runs = [{"speed": s, "speed_verdict": "faster", "latency_p50_ms": ms} for s, ms in ((2.0, 10.0), (2.02, 15.0))]
    row = _row("TFLite int8", runs)
    assert row is not None and row.reached and row.value == pytest.approx(1.0)
    assert row.why == "its medians in ms lie 50.0 % apart"
    assert _row("TensorFlow fp32", [{**one, "speed_verdict": "reference"} for one in runs]) is None
    assert _row("OpenCV fp32", [runs[0], {"speed": None}]) is None
