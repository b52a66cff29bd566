from __future__ import annotations

from typing import Any

import pytest

from ssdbench.evaluation.tide import ERRORS
from ssdbench.report.page.tide_table import MEANINGS, error_table
from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import make_context, make_run
from support.report_differences import NOTHING, make_errors


def table(*runs: dict[str, Any]) -> dict[str, Any] | None:
    summary = build_summary(runs, make_context())
    return error_table(summary["groups"][0], {row["id"]: row for row in summary["rows"]}, summary["details"])


def run_of(framework: str, **costs: float) -> dict[str, Any]:
    return make_run(framework, **{**NOTHING, "errors": make_errors(**costs)})


def test_every_kind_has_a_meaning() -> None:
    assert tuple(MEANINGS) == ERRORS


def test_cells_are_compared_by_their_costs_in_order() -> None:
    made = table(run_of("tensorflow", missed=0.08), run_of("tflite", missed=0.10, both=0.004))
    assert made is not None and made["most"] == 0.10
    reference, cell = made["lines"]
    assert all(cost["change"] is None for cost in reference["costs"])
    by_kind = dict(zip(ERRORS, cell["costs"], strict=True))
    assert by_kind["missed"] == {"cost": 0.10, "change": pytest.approx(0.02), "reference": 0.08, "count": 1005}
    assert by_kind["both"]["change"] == pytest.approx(-0.006)
    assert cell["grew"] == {"name": "missed", "change": pytest.approx(0.02)}


def test_nothing_grew_where_every_cost_fell_or_stayed() -> None:
    made = table(run_of("tensorflow"), run_of("tflite", missed=0.005, both=0.0104))
    assert made is not None and made["lines"][1]["grew"] is None


def test_without_a_reference_there_are_costs_but_no_change() -> None:
    made = table(run_of("tflite"), run_of("onnxruntime"))
    assert made is not None
    for line in made["lines"]:
        assert line["grew"] is None
        assert all(cost["change"] is None and cost["reference"] is None for cost in line["costs"])


def test_cells_without_errors_have_no_line() -> None:
    made = table(run_of("tensorflow"), make_run("tflite", **NOTHING))
    assert made is not None and [line["name"] for line in made["lines"]] == ["TensorFlow fp32"]
    assert table(make_run(**NOTHING)) is None
