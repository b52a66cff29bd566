"""A cell that was timed on a slower machine than the others is not compared with them."""

from __future__ import annotations

from typing import Any

from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import HOST, make_context, make_run


def timed(framework: str, reference_ms: float, cpu: str = HOST["cpu"]) -> dict[str, Any]:
    run = make_run(framework)
    run["timing"] |= {"reference_ms": reference_ms, "host": {**HOST, "cpu": cpu}}
    return run


def test_a_slower_machine_beside_one_cell_takes_back_its_timing() -> None:
    rows = build_summary(
        [timed("tensorflow", 10.0), timed("tflite", 10.4), timed("onnxruntime", 11.2)], make_context()
    )["rows"]
    assert [row["timing_valid"] for row in rows] == [True, True, False]
    assert "reference workload took 12 % longer" in rows[2]["timing_reason"]


def test_other_processors_have_a_pace_of_their_own_and_without_a_figure_nothing_is_judged() -> None:
    cells = [timed("tensorflow", 10.0), timed("tflite", 20.0, "Other CPU"), make_run("onnxruntime")]
    assert [row["timing_valid"] for row in build_summary(cells, make_context())["rows"]] == [True, True, True]


def test_an_invalid_timing_is_no_measure_of_the_others() -> None:
    fast = timed("tensorflow", 5.0)
    fast["timing"] |= {"timing_valid": False, "timing_reason": "other work"}
    rows = build_summary([fast, timed("tflite", 10.0), timed("onnxruntime", 10.1)], make_context())["rows"]
    assert [row["timing_valid"] for row in rows] == [False, True, True]
    assert rows[0]["timing_reason"] == "other work"
