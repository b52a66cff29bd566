from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from ssdbench.report.page.page import render_page
from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.summary.verdicts import verdict_sentence
from ssdbench.report.summary.write_summary import summary_csv, summary_markdown
from support.report_cells import KEPT, LOST, UNDECIDED, judged, make_comparison, make_context, make_run, unready

SAMPLE = {"tag": "sample", "images": [{"tag": "sample", "dataset": "sample", "images": [], "notes": []}]}


def matrix() -> list[dict[str, Any]]:
    """The reference, a cell of each verdict, one that failed."""
    return [
        make_run(p50=20.0),
        judged(KEPT, "tflite", "fp32", p50=10.0),
        judged(LOST, "tflite", "int8", p50=5.0),
        judged(UNDECIDED, "onnxruntime", "int8", p50=8.0),
        unready("failed", "the converter ran too long", "openvino", "fp32"),
    ]


def main_table(page: str) -> str:
    (table,) = re.findall(r"<table[^>]*>\s*<caption id=\"g1-caption\">.*?</table>", page, re.DOTALL)
    return table


def sentence(*figures: tuple[float, float, float]) -> str:
    return verdict_sentence([make_comparison(*each) for each in figures])


def test_rows_carry_the_verdict_and_the_interval_and_are_empty_without() -> None:
    summary = build_summary(matrix(), make_context())
    rows = list(csv.DictReader(io.StringIO(summary_csv(summary))))
    found = [(row["verdict"], row["AP_change_low"], row["AP_change_high"]) for row in rows]
    expected = [
        (name, str(low), str(high))
        for name, (_, low, high) in zip(("kept", "lost", "undecided"), (KEPT, LOST, UNDECIDED), strict=True)
    ]
    assert found == [("", "", ""), *expected, ("", "", "")]
    assert summary["details"][summary["rows"][2]["id"]]["comparison"] == make_comparison(*LOST)
    assert summary["details"][summary["rows"][0]["id"]]["comparison"] is None


def test_the_verdicts_of_a_group_in_words() -> None:
    assert sentence() == ""
    assert sentence(KEPT, KEPT) == "All 2 cells compared with TensorFlow fp32 kept at least 99 % of its AP."
    assert sentence(LOST) == "The one cell compared with TensorFlow fp32 did not keep at least 99 % of its AP."
    assert sentence(LOST, LOST) == (
        "Of 2 cells compared with TensorFlow fp32, none kept at least 99 % of its AP, 2 lost."
    )
    needed = make_comparison(*UNDECIDED)["verdict"]["images_needed"]
    assert needed == 990
    assert sentence(KEPT, KEPT, LOST, UNDECIDED) == (
        "Of 4 cells compared with TensorFlow fp32, 2 kept at least 99 % of its AP, 1 lost, "
        "1 is undecided: about 990 images would decide."
    )


def test_images_that_would_decide_only_some_or_none_are_told() -> None:
    at_the_limit = (-0.003016, -0.01, 0.01)
    assert sentence(KEPT, at_the_limit).endswith("1 is undecided: no number of images in reach would decide.")
    wider = (-0.0012, -0.0092, 0.0061)
    assert sentence(UNDECIDED, wider, at_the_limit).endswith(
        "3 are undecided: about 990 to 2,600 images would decide 2 of them."
    )


def test_the_verdict_in_words_comes_before_the_table() -> None:
    page = render_page(build_summary(matrix(), make_context()), [])
    words = "Of 3 cells compared with TensorFlow fp32, 1 kept at least 99 % of its AP, 1 lost, 1 is undecided"
    assert 0 < page.index(words) < page.index("<table")


def test_the_main_table_has_interval_and_verdict() -> None:
    page = render_page(build_summary(matrix(), make_context()), [])
    rows = re.findall(r"<tr class=.*?</tr>", main_table(page), re.DOTALL)
    assert [re.findall(r'<span class="verdict \w+">(\w+)</span>', row) for row in rows] == [
        [], ["kept"], ["lost"], ["undecided"], []
    ]  # fmt: skip
    assert 'data-value="0"><span class="verdict lost">' in rows[2]
    assert "−0.0302" in rows[2] and '<small class="interval">−0.0415 to −0.0187</small>' in rows[2]
    assert "this is the reference" in rows[0]
    assert "failed: the converter ran too long" in rows[4]
    intervals = page[page.index('<summary id="g1-intervals">') :]
    notes = re.findall(r'<ul class="notes">(.*?)</ul>', intervals, re.DOTALL)[0]
    assert "TFLite int8: lost. The cell keeps less than 99 % of the reference&#39;s AP of 0.302" in notes


def test_the_sizes_have_intervals_too_and_a_dash_where_no_object_counts() -> None:
    page = render_page(build_summary(matrix(), make_context()), [])
    (table,) = re.findall(
        r'<div class="scroll" role="region" aria-labelledby="g1-intervals">.*?</table>', page, re.DOTALL
    )
    assert "130 images, 1,000 replicates, seed 7" in table
    assert table.count("−0.0415 to −0.0187") == 4
    assert table.count('title="no object of this size in the ground truth"') == 3


def test_how_to_read_tells_the_rule_and_the_doubt() -> None:
    reading = render_page(build_summary(matrix(), make_context()), []).split('id="reading-h"')[1]
    assert "(130 images) are drawn with replacement, 1,000 times" in reading and "(seed 7)" in reading
    assert "keep 99 % of the reference's AP" in reading and "nearer 91 % than 95 %" in reading
    assert "No interval is stated" not in reading


def test_the_sample_has_no_verdict_and_no_interval() -> None:
    runs = [make_run(dataset="sample"), make_run("tflite", dataset="sample")]
    summary = build_summary(runs, make_context(**SAMPLE))
    page = render_page(summary, [])
    assert "Verdict</th>" not in page and "-intervals" not in page and 'class="judged"' not in page
    assert "it carries no verdict" in page
    assert "No interval is stated here, because the scenes of the sample depend on one another" in page
    assert "| verdict |" not in summary_markdown(summary)


@pytest.mark.parametrize("without", ["null", "absent"])
def test_cells_without_a_comparison_show_their_change_alone(without: str) -> None:
    run = make_run("tflite", scores=(0.29, *[0.1] * 11))
    if without == "absent":
        del run["comparison"]
    summary = build_summary([make_run(), run], make_context())
    assert summary["groups"][0]["verdict"] == ""
    page = render_page(summary, [])
    assert "−0.012" in main_table(page) and "Verdict" not in main_table(page)


def test_a_compared_group_says_of_a_cell_why_it_has_no_verdict() -> None:
    runs = [make_run(), judged(KEPT, "tflite", "fp32"), make_run("onnxruntime")]
    page = render_page(build_summary(runs, make_context()), [])
    assert 'title="no comparison was recorded"' in main_table(page)


def test_a_comparison_without_objects_has_no_interval() -> None:
    comparison = make_comparison(*KEPT)
    comparison["intervals"]["AP"] = None
    verdict = {"name": "undecided", "words": "The reference finds nothing.", "images_needed": None}
    nothing = (-1.0,) * 12
    runs = [make_run(scores=nothing), make_run("tflite", scores=nothing, comparison=comparison | {"verdict": verdict})]
    summary = build_summary(runs, make_context())
    assert (summary["rows"][1]["verdict"], summary["rows"][1]["AP_change_low"]) == ("undecided", None)
    assert "TFLite fp32: undecided. The reference finds nothing." in render_page(summary, [])


def test_markdown_shows_the_interval_and_the_verdict() -> None:
    text = summary_markdown(build_summary(matrix(), make_context()))
    assert "Of 3 cells compared with TensorFlow fp32, 1 kept" in text
    assert "| −0.0302 (−0.0415 to −0.0187) | lost |" in text
    assert "- TFLite int8: lost. The cell keeps less than 99 %" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_the_fastest_cell_is_named_with_its_verdict_and_with_the_fastest_that_is_kept() -> None:
    facts = {fact["label"]: fact for fact in build_summary(matrix(), make_context())["groups"][0]["findings"]}
    assert facts["Fastest"]["words"].startswith("TFLite int8, 95\N{NO-BREAK SPACE}% interval ")
    assert facts["Fastest"]["unit"] == "× the reference"
    assert "of the reference's AP (verdict: lost)." in facts["Fastest"]["words"]
    assert facts["Fastest kept"]["words"].startswith("TFLite fp32, 95\N{NO-BREAK SPACE}% interval ")
    kept = build_summary(matrix()[:2], make_context())["groups"][0]["findings"]
    assert "Fastest kept" not in {fact["label"] for fact in kept}


def test_which_cell_to_take_is_said_where_verdicts_carry_it() -> None:
    (group,) = build_summary(matrix(), make_context())["groups"]
    assert group["best_sentence"].startswith("Take TFLite fp32: ")


def test_words_of_a_verdict_are_escaped() -> None:
    run = judged(KEPT, "tflite", "fp32")
    run["comparison"]["verdict"]["words"] = "<script>alert(1)</script>"
    summary = build_summary([make_run(), run], make_context())
    assert "<script>alert" not in render_page(summary, [])
    assert "<script>" not in summary_markdown(summary)
