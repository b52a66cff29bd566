from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.diagnosis.tolerances import TOLERANCES
from ssdbench.report.page.ladder_table import departure_findings, exact, ladder_table
from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import make_context, make_run, unready
from support.report_differences import NOTHING, make_diagnosis, make_parity


def tables(*runs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    summary = build_summary(runs, make_context())
    return summary["groups"][0], {row["id"]: row for row in summary["rows"]}, summary["details"]


def table(*runs: dict[str, Any]) -> dict[str, Any]:
    made = ladder_table(*tables(make_run(**NOTHING), *runs))
    assert made is not None
    return made


def cell(framework: str, precision: str, parity: dict[str, Any] | None, **parts: Any) -> dict[str, Any]:
    return make_run(framework, precision, **{**NOTHING, "parity": parity, **parts})


def states(line: dict[str, Any]) -> list[str]:
    return [f"{rung['words']} {rung['allowed']}".strip() for rung in line["rungs"]]


def test_a_cell_that_is_the_reference_in_all_but_name_agrees_on_every_rung() -> None:
    (line,) = table(cell("tflite", "fp32", make_parity()))["lines"]
    assert states(line) == ["agrees"] * 4
    assert not any(rung["is_first"] for rung in line["rungs"])
    assert line["rungs"][0]["figures"] == ["0 of 10 images differ"]


def test_int8_that_is_off_by_what_int8_allows_agrees_and_says_so() -> None:
    (line,) = table(cell("tflite", "int8", make_parity("int8", heads=0.1, ap=-0.01)))["lines"]
    assert states(line) == ["agrees", *["agrees within what int8 allows"] * 3]
    assert line["rungs"][1]["figures"][0].startswith("scores 10.0 % off, cosine")


def test_the_same_heads_at_fp32_depart_and_only_the_first_rung_is_marked() -> None:
    (line,) = table(cell("tflite", "fp32", make_parity(heads=0.1, boxes=0.05)))["lines"]
    assert states(line) == ["agrees", "departs", "departs", "agrees"]
    assert [rung["is_first"] for rung in line["rungs"]] == [False, True, False, False]


def test_what_was_not_compared_is_told_from_what_agrees() -> None:
    (line,) = table(cell("tflite", "fp32", make_parity(heads=None, ap=None)))["lines"]
    assert [rung["state"] for rung in line["rungs"]] == ["agrees", "missing", "agrees", "missing"]
    assert line["rungs"][3]["words"] == "no ground truth"


def test_a_cell_without_a_ladder_gives_the_reason_in_place_of_the_rungs() -> None:
    broken = {"status": "failed", "reason": "the detection failed", "log": ""}
    lines = table(
        cell("tflite", "fp32", make_parity()),
        cell("tflite", "fp16", broken),
        unready("unsupported", "no int8 here", "tflite", "int8", **NOTHING),
    )["lines"]
    assert [line["reason"] for line in lines] == ["", "the detection failed", "unsupported: no int8 here"]
    assert [len(line["rungs"]) for line in lines] == [4, 0, 0]


def test_nothing_compared_and_nothing_asked_is_no_section() -> None:
    for diagnosis in (None, make_diagnosis(asked="")):
        assert ladder_table(*tables(make_run(**NOTHING), cell("tflite", "fp32", None, diagnosis=diagnosis))) is None


def test_a_reference_that_is_off_from_its_expected_ap_tells_its_diagnosis_without_a_ladder() -> None:
    expected = {"AP": 0.312, "tolerance": 0.002, "source": "", "part": "held_out", "ours": 0.2, "is_outside": True}
    odd = make_run(**{**NOTHING, "diagnosis": make_diagnosis("expected"), "expected": expected})
    made = ladder_table(*tables(odd))
    assert made is not None and made["lines"] == []
    (told,) = made["told"]
    assert told["why"] == (
        "Usual causes were tried, because its AP of 0.200 on the held-out images is not the expected 0.312 ± 0.002."
    )
    assert told["is_found"] and [trial["explained"] for trial in told["trials"]] == ["97 %", "none, it widens it"]


def test_the_layers_of_an_int8_cell_that_lose_most_are_shown() -> None:
    worst = {"name": "project", "layer": "model/project", "loss": 0.00731, "share": 0.1072, "cut": 0.0}
    diagnosis = {**make_diagnosis(), "int8": {"special": ["weights in 7 bits"], "layers": [worst]}}
    (told,) = table(cell("tflite", "int8", make_parity("int8", heads=1.5), diagnosis=diagnosis))["told"]
    assert [(one["name"], one["share"], one["loss"], one["cut"]) for one in told["layers"]] == [
        ("project", "10.7%", "0.0073", "0")
    ]


def test_an_int8_cell_that_agrees_tells_what_is_special_about_its_file_too() -> None:
    worst = {"name": "project", "layer": "model/project", "loss": 0.00731, "share": 0.1072, "cut": 0.0}
    diagnosis = {
        **make_diagnosis(),
        "asked": "",
        "sentence": "Special about its file: weights in 7 bits.",
        "causes": [],
        "trials": [],
        "int8": {"special": ["weights in 7 bits"], "layers": [worst]},
    }
    made = table(cell("tflite", "int8", make_parity("int8"), diagnosis=diagnosis))
    (told,) = made["told"]
    assert (told["diagnosis"], told["is_found"], len(told["layers"])) == (diagnosis["sentence"], False, 1)
    assert not any("Special" in finding for finding in made["findings"])


def test_every_tolerance_is_shown_with_its_limit_and_reason() -> None:
    (told,) = table(cell("tflite", "int8", make_parity("int8", heads=1.5)))["told"]
    assert [figure["reason"] for figure in told["figures"]] == [tolerance.reason for tolerance in TOLERANCES]
    by_words = {figure["words"]: figure for figure in told["figures"]}
    error = by_words["relative error of the class scores"]
    assert (error["value"], error["limit"], error["is_outside"]) == ("1.5", "at most 0.35", True)
    assert by_words["largest error of a class score"]["limit"] == "none at int8"
    assert by_words["mean IoU of matched boxes"]["limit"] == "at least 0.82"


def test_findings_name_each_departure_and_those_that_agree() -> None:
    findings = departure_findings(
        *tables(
            make_run(**NOTHING),
            cell("tflite", "fp32", make_parity()),
            cell("tflite", "int8", make_parity("int8", heads=1.5)),
            cell("onnxruntime", "fp32", make_parity(pixels=9), diagnosis=make_diagnosis()),
        )
    )
    assert findings == [
        "First departure of TFLite int8: raw heads.",
        "First departure of ONNX Runtime fp32: input pixels. Looks like BGR: red and blue are swapped.",
        "TFLite fp32 agrees with the reference on every rung, within what its precision allows.",
    ]
    both = [cell("tflite", "fp32", make_parity()), cell("onnxruntime", "fp32", make_parity())]
    assert departure_findings(*tables(make_run(**NOTHING), *both)) == [
        "All 2 cells compared agree with the reference on every rung, within what their precision allows."
    ]
    assert departure_findings(*tables(make_run(**NOTHING))) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (127, "127"),
        (0.25, "0.25"),
        (-0.0126, "−0.0126"),
        (1e-4, "0.0001"),
        (2.34e-6, "2.3 × 10⁻⁶"),
        (0.999999, "0.999999"),
        (0.99984, "0.99984"),
        (13000, "13,000"),
    ],
)
def test_figures_are_short_and_exact(value: float, text: str) -> None:
    assert exact(value) == text


@given(st.floats(1e-9, 999, allow_subnormal=False))
def test_a_figure_reads_back_as_what_it_was(value: float) -> None:
    text = exact(value).replace(",", "")
    if "×" in text:
        digits, power = text.split(" × 10")
        text = f"{digits}e{power.translate(str.maketrans('⁻⁰¹²³⁴⁵⁶⁷⁸⁹', '-0123456789'))}"
    assert float(text) == pytest.approx(value, rel=0.03)
    if 0.99 < value < 1 - 1e-7:
        assert 1 - float(text) == pytest.approx(1 - value, rel=0.06)
