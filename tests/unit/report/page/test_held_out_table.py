from __future__ import annotations

from typing import Any

import pytest

from ssdbench.report.page.held_out_table import gap_meaning, seen_table
from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import make_context, make_run
from support.report_differences import NOTHING, OK, make_parts


def table(*runs: dict[str, Any]) -> dict[str, Any] | None:
    summary = build_summary(runs, make_context())
    return seen_table(summary["groups"][0], {row["id"]: row for row in summary["rows"]}, summary["details"])


def run_of(framework: str, parts: dict[str, Any] | None) -> dict[str, Any]:
    return make_run(framework, **{**NOTHING, "parts": parts})


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.01, 0.05, "flatters it"),
        (-0.02, 0.05, "do not show that the model does better"),
        (-0.05, -0.01, "training on them cannot explain"),
    ],
)
def test_the_interval_of_the_gap_decides_what_is_said(low: float, high: float, words: str) -> None:
    assert words in gap_meaning({"difference": (low + high) / 2, "low": low, "high": high})


def test_the_reference_speaks_for_the_model() -> None:
    made = table(run_of("tflite", make_parts(-0.1, 0.1)), run_of("tensorflow", make_parts(0.01, 0.05)))
    assert made is not None
    assert made["meant"] == "TensorFlow fp32" and "flatters it" in made["meaning"]
    assert made["images"] == {"all": 130, "held_out": 30, "seen": 100}
    assert made["lists"] == [{"name": "minival.txt", "sha256": "ab" * 32}]


def test_models_that_have_seen_nothing_have_no_section() -> None:
    assert table(run_of("tensorflow", None)) is None


def test_images_of_one_part_alone_have_no_gap_and_no_meaning() -> None:
    made = table(run_of("tensorflow", make_parts() | {"seen": None, "gap": None}))
    assert made is not None and made["meaning"] == ""
    assert made["lines"][0]["seen"] is None and made["images"]["seen"] == 0


def test_parts_that_could_not_be_told_apart_give_the_reason() -> None:
    unknown = {**OK, "list": {"name": "", "sha256": ""}, "held_out": None, "seen": None, "gap": None}
    made = table(run_of("tensorflow", unknown))
    assert made is not None and made["lines"] == []
    assert made["reason"] == "it is not known which of these images the model has seen"
    failed = {"status": "failed", "reason": "the detection failed", "log": ""}
    made = table(run_of("tensorflow", failed))
    assert made is not None and made["reason"] == "the detection failed"
