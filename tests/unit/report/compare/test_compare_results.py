from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ssdbench.evaluation.bootstrap import Draws
from ssdbench.evaluation.bootstrap import compare as compare_draws
from ssdbench.report.compare.compare_page import describe_comparison, render_comparison
from ssdbench.report.compare.compare_results import compare_ap, compare_results, compare_speed
from ssdbench.report.compare.results_folder import Measured
from ssdbench.report.words import CELL_WORDS
from support.compared_cells import CPU_ID, altered, make_cell, make_draws
from support.report_cells import unready

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>\x1b[2J"


def cells(*measured: Measured) -> dict[tuple[str, ...], Measured]:
    return {tuple(cell.run["cell"][word] for word in CELL_WORDS): cell for cell in measured}


def page_of(a: dict[tuple[str, ...], Measured], b: dict[tuple[str, ...], Measured]) -> str:
    return render_comparison(compare_results(a, b), "before", "after")


def text_of(a: dict[tuple[str, ...], Measured], b: dict[tuple[str, ...], Measured]) -> str:
    return describe_comparison(compare_results(a, b), "before", "after")


def facts_of(a: Measured, b: Measured) -> dict[str, tuple[str | None, str | None]]:
    """What differs, by section and key."""
    differences = compare_results(cells(a), cells(b)).differences
    return {f"{title}: {fact.what}": (fact.a, fact.b) for title, facts in differences.items() for fact in facts}


# AP


def test_ap_moved_where_the_interval_of_the_difference_leaves_out_zero() -> None:
    a = make_cell(0.30)
    b = replace(make_cell(0.28), draws=make_draws(0.28))
    found = compare_ap(a, b)
    assert a.draws and b.draws
    expected = compare_draws(a.draws, b.draws).intervals["AP"]
    assert expected is not None and expected.high < 0
    assert (found.kind, found.a, found.b, found.interval) == ("moved", 0.30, 0.28, (expected.low, expected.high))


def test_ap_did_not_move_where_the_interval_holds_zero() -> None:
    found = compare_ap(make_cell(0.300), make_cell(0.299))
    assert found.kind == "within noise" and found.interval is not None
    assert found.interval[0] < 0 < found.interval[1]


def test_the_same_detections_need_no_interval() -> None:
    a = replace(make_cell(detections="same"), draws=None)
    assert compare_ap(a, a).kind == "identical"
    without_truth = altered(a, "metrics", metrics={})
    assert compare_ap(without_truth, without_truth).kind == "identical"


def test_the_same_detections_with_another_ap_moved_for_sure() -> None:
    found = compare_ap(make_cell(0.300, detections="same"), make_cell(0.299, detections="same"))
    assert found.kind == "moved" and "scored otherwise" in found.why


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"images": {n: f"sha{n}" for n in range(1, 31)}}, "other images: 20 in A, 30 in B, 19 of them the same"),
        ({"images": {n: f"other{n}" for n in range(20)}}, "other images: 20 in A, 20 in B, 0 of them the same"),
        ({"images": None}, ""),
    ],
    ids=["other ids", "other content", "list missing but its hash the same"],
)
def test_ap_on_other_images_is_never_compared(changes: dict[str, Any], why: str) -> None:
    found = compare_ap(make_cell(0.30), replace(make_cell(0.28), **changes))
    assert (found.kind == "not comparable") == bool(why)
    assert found.why == (f"is not comparable: {why}" if why else "")


@pytest.mark.parametrize("listed", ["", "j" * 64])
def test_ap_on_images_that_nobody_knows_is_not_compared(listed: str) -> None:
    b = replace(altered(make_cell(0.28), "provenance", images_sha256=listed), images=None)
    assert compare_ap(make_cell(0.30), b).kind == "not comparable"


@pytest.mark.parametrize("detections", ["", "same"])
def test_ap_with_other_annotations_is_not_compared(detections: str) -> None:
    a = make_cell(detections=detections)
    found = compare_ap(a, altered(make_cell(0.28, detections=detections), "provenance", annotations_sha256="z"))
    assert (found.kind, found.why) == ("not comparable", "is not comparable: other annotations")


@pytest.mark.parametrize(
    ("draws", "why"),
    [
        (None, "has no interval: no replicates in B"),
        (make_draws(0.28, seed=3), "has no interval: other replicates, 200 with seed 0 in A, 200 with seed 3 in B"),
        (make_draws(0.28, drawn=np.zeros((10, 5))), "has no interval: other replicates, 200 with seed 0 in A, 10 with"),
        (make_draws(0.28, images=3), "has no interval: replicates of other images"),
        (make_draws(0.28, drawn=np.full((200, 5), np.nan)), "has no interval: no object counts"),
    ],
    ids=["none", "seed", "number", "images", "no objects"],
)
def test_without_replicates_drawn_alike_there_is_the_difference_alone(draws: Draws | None, why: str) -> None:
    a, b = make_cell(0.30), replace(make_cell(0.28), draws=draws)
    found = compare_ap(a, b)
    assert found.kind == "no interval" and found.why.startswith(why)
    assert "−0.0200" in text_of(cells(a), cells(b))


def test_the_sample_has_no_interval() -> None:
    a, b = (replace(make_cell(ap, dataset="sample-first10"), draws=None) for ap in (0.30, 0.28))
    assert compare_ap(a, b).why.startswith("has no interval on the sample")
    assert "AP: 1 cell has no interval to judge by." in text_of(cells(a), cells(b))


def test_a_cell_that_failed_on_one_side_has_no_verdict_but_its_status() -> None:
    failed = Measured(unready("failed", "out of memory", "tensorflow", "fp32"), make_cell().images)
    comparison = compare_results(cells(make_cell()), cells(failed))
    (pair,) = comparison.pairs
    assert (pair.ap.kind, pair.speed.kind) == ("not measured", "not measured")
    assert "1 status changed." in comparison.verdict
    text = text_of(cells(make_cell()), cells(failed))
    assert "TensorFlow fp32 was ok in A and is failed (out of memory) in B." in text


# Speed


@given(st.floats(0.1, 10), st.floats(0.9, 1.1), st.floats(0.001, 0.1), st.floats(0.001, 0.1))
def test_speed_moved_where_the_interval_of_the_ratio_leaves_out_one(
    speed: float, ratio: float, reach_a: float, reach_b: float
) -> None:
    a, b = (
        altered(make_cell(framework="tflite"), "timing", **around(*of))
        for of in ((speed, reach_a), (ratio * speed, reach_b))
    )
    assume(abs(abs(np.log(ratio)) - np.hypot(reach_a, reach_b)) > 1e-9)
    is_moved = abs(np.log(ratio)) > np.hypot(reach_a, reach_b)
    assert compare_speed(a, b).kind == compare_speed(b, a).kind == ("moved" if is_moved else "within noise")


def around(speed: float, reach: float) -> dict[str, float]:
    """A speed whose interval reaches this far in logarithms."""
    return {"speed": speed, "speed_low": speed * float(np.exp(-reach)), "speed_high": speed * float(np.exp(reach))}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"timing_valid": False, "timing_reason": "round 2: 1 thread at work where 2 were asked for"},
            "the timing in B is not valid: round 2: 1 thread at work where 2 were asked for",
        ),
        ({"timing_valid": None}, "the timing in B is not valid: no reason was recorded"),
        (
            {"setting": "b1-t2-s1"},
            "other setting: batch 1 with 1 thread and 1 stream in A, batch 1 with 2 threads and 1 stream in B",
        ),
        ({"speed_reference": "tflite/fp32"}, "relative to tensorflow/fp32 in A, to tflite/fp32 in B"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_a_speed_that_does_not_compare_says_why(changes: dict[str, Any], why: str) -> None:
    found = compare_speed(make_cell(framework="tflite"), altered(make_cell(framework="tflite"), "timing", **changes))
    assert found.kind == "not comparable"
    assert found.why == f"is not comparable: {why}"


def test_results_of_a_version_without_turns_are_refused_in_one_sentence() -> None:
    old = make_cell(framework="tflite")
    timing = {key: value for key, value in old.run["timing"].items() if not key.startswith("speed")}
    old = replace(old, run={**old.run, "timing": timing})
    found = compare_speed(old, make_cell(framework="tflite"))
    assert found.why == "is not comparable: A was timed by a version in which cells did not take turns. Run it again"
    assert "Speed: 1 cell does not compare." in text_of(cells(old), cells(make_cell(framework="tflite")))


def test_the_reference_itself_has_no_speed_to_compare() -> None:
    assert compare_speed(make_cell(), make_cell()).kind == "reference"


def test_another_microcode_is_the_same_processor_but_is_told() -> None:
    host = {"cpu": "Example CPU", "cpu_id": CPU_ID.replace("0x1", "0x2"), "governor": "performance"}
    b = altered(make_cell(), "timing", host=host)
    assert compare_speed(make_cell(), b).kind == "reference"
    assert facts_of(make_cell(), b) == {"Machine that timed: cpu_id": (CPU_ID, host["cpu_id"])}


# What differs


def test_identical_folders_differ_in_nothing() -> None:
    both = cells(make_cell(), make_cell(0.29, framework="tflite", precision="int8"))
    comparison = compare_results(both, both)
    assert comparison.verdict == [
        "AP: nothing moved beyond noise, 2 cells have identical detections.",
        "Speed: nothing moved beyond noise, 1 cell did within it, 1 is the reference.",
    ]
    assert not comparison.differences and not comparison.only_a and not comparison.only_b
    assert "Nothing else that was recorded differs." in text_of(both, both)


def test_what_differs_stands_next_to_each_other() -> None:
    a, b = make_cell(), make_cell()
    b = altered(b, "timing", versions={"tensorflow": "1.1"}, setting="b1-t2-s1", code_sha256="ef" * 32)
    b = altered(b, "timing", host={**b.run["timing"]["host"], "governor": "powersave", "cpu_limit": 1.5})
    b = altered(b, "card", versions={"tensorflow": "2.22.0"}, calibration={"id": "x", "images": [{"id": 1}]})
    b = altered(b, "provenance", artifact_sha256="other", config={"nms": {"iou": 0.5}}, versions={"pycocotools": "2.1"})
    a = altered(a, "provenance", config={"nms": {"iou": 0.6}})
    found = facts_of(a, b)
    assert found["Packages that ran: tensorflow"] == ("1.0", "1.1, 1.0")  # still 1.0 where it detected
    assert found["Packages that converted: tensorflow"] == ("2.21.0", "2.22.0")
    assert found["Packages that scored: pycocotools"] == ("2.0", "2.1")
    assert found["Machine that timed: governor"] == ("performance", "powersave")
    assert found["Machine that timed: cpu_limit"] == (None, "1.5")
    assert found["Setting: setting"] == ("b1-t1-s1", "b1-t2-s1")
    assert found["Configuration: nms.iou"] == ("0.6", "0.5")
    assert found["Hashes: artifact"] == ("tensorflow-fp32", "other")
    assert found["Hashes: code that timed"] == ("cd" * 32, "ef" * 32)
    assert found["Hashes: calibration images"][0] is None
    assert len(found) == 10
    page = page_of(cells(a), cells(b))
    assert '<th scope="row">governor</th><td>performance</td><td>powersave</td><td class="soft">all</td>' in page
    assert "efefefefefef…" in page and "ef" * 32 not in page


def test_another_version_of_the_project_is_a_difference() -> None:
    a, b = (altered(make_cell(), "provenance", ssdbench=version) for version in ("0.1.0", "0.2.0"))
    assert facts_of(a, b) == {"Packages that scored: ssdbench": ("0.1.0", "0.2.0")}


def test_images_that_lie_elsewhere_are_the_same_images() -> None:
    assert facts_of(make_cell(), altered(make_cell(), "provenance", images_sha256="another path")) == {}


def test_a_difference_of_some_cells_names_them() -> None:
    a = [make_cell(), make_cell(framework="tflite"), make_cell(framework="tflite", precision="int8")]
    b = [a[0], *(altered(cell, "timing", versions={"tflite": "9"}) for cell in a[1:])]
    (fact,) = compare_results(cells(*a), cells(*b)).differences["Packages that ran"]
    assert [cell["precision"] for cell in fact.cells] == ["fp32", "int8"]
    assert '<td class="soft">TFLite fp32; TFLite int8</td>' in page_of(cells(*a), cells(*b))


def test_a_record_of_older_code_is_one_difference_and_not_one_for_each_of_its_facts() -> None:
    old = altered(make_cell(), "timing", versions=None, host=None, runtime=None)
    old = altered(old, "detect", versions=None, host=None)
    assert facts_of(old, make_cell()) == {
        "Packages that ran: all facts": (None, "recorded"),
        "Machine that timed: all facts": (None, "recorded"),
        "Machine that detected: all facts": (None, "recorded"),
        "Runtime: all facts": (None, "recorded"),
    }


def test_cells_of_one_side_are_named() -> None:
    a, b = cells(make_cell(), make_cell(framework="tflite")), cells(make_cell(), make_cell(precision="int8"))
    comparison = compare_results(a, b)
    assert comparison.verdict[-2:] == ["1 cell is in A only.", "1 cell is in B only."]
    assert "- in A only: TFLite fp32 (ssdlite_mobilenet_v2, protocol heads, local)" in text_of(a, b)
    assert "On one side only" in page_of(a, b)


def test_the_verdict_counts_and_does_not_call_what_it_cannot_judge_unmoved() -> None:
    names = ["tensorflow", "tflite", "onnxruntime"]
    a = cells(*(make_cell(0.30, framework=name) for name in names))
    b = cells(*(make_cell(ap, framework=name) for ap, name in zip((0.28, 0.299, 0.3), names, strict=True)))
    assert compare_results(a, b).verdict[0] == (
        "AP: 1 cell moved beyond noise, 1 did not, 1 cell has identical detections."
    )
    elsewhere = {key: replace(cell, images={}) for key, cell in b.items()}
    assert compare_results(a, elsewhere).verdict[0] == "AP: 3 cells do not compare."


# The page and the terminal


def test_hostile_text_stays_text_on_the_page_and_does_not_reach_the_terminal() -> None:
    a = make_cell(framework=HOSTILE, model=HOSTILE, dataset=HOSTILE)
    b = altered(a, "timing", timing_valid=False, timing_reason=HOSTILE, versions={HOSTILE: HOSTILE})
    b = replace(b, run={**b.run, "status": "failed", "reason": HOSTILE})
    only = make_cell(framework=HOSTILE, precision=HOSTILE)
    comparison = compare_results(cells(a, only), cells(b))
    page = render_comparison(comparison, HOSTILE, HOSTILE)
    assert page.count("<script>") == 1 and "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    text = describe_comparison(comparison, HOSTILE, HOSTILE)
    assert "\x1b" not in text and HOSTILE.removesuffix("\x1b[2J") in text


def test_the_page_loads_nothing_and_its_tables_can_be_read_aloud() -> None:
    page = page_of(cells(make_cell(0.30)), cells(make_cell(0.28), make_cell(framework="tflite")))
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    policy = html.unescape(re.search(r'Security-Policy" content="([^"]*)"', page)[1])  # type: ignore[index]
    assert policy.startswith("default-src 'none'; ")
    for element in ("style", "script"):
        (text,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert page.count("<table") == page.count("<caption") >= 1
    assert all('scope="' in heading for heading in re.findall(r"<th\b[^>]*>", page))
    assert not re.search(r"\sstyle=|\son\w+=", page)


def test_a_moved_figure_says_in_which_direction() -> None:
    a = cells(make_cell(0.30, framework="tflite", p50=10.0))
    b = cells(make_cell(0.28, framework="tflite", p50=5.0))
    page = page_of(a, b)
    assert "<b>moved, lower</b>" in page and "<b>moved, faster</b>" in page
    assert "moved, lower" in text_of(a, b)


def test_a_speed_that_is_not_valid_is_struck_through() -> None:
    page = page_of(cells(make_cell()), cells(altered(make_cell(), "timing", timing_valid=False)))
    assert page.count("<s>1.00</s>") == 1
