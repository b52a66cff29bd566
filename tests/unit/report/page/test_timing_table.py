"""The timing section of the page: spread, stages, settings and rounds."""

from __future__ import annotations

import re

from support.report_cells import make_run
from support.report_pages import page_of, section, text_of, with_rounds


def test_the_spread_of_the_rounds_stands_beside_the_median() -> None:
    single = make_run("tflite")
    single["timing"]["per_round"] = single["timing"]["per_round"][:1]
    page = page_of([make_run(p50=20.0), single])
    assert re.search(r'<td class="number" data-value="1\.33\d*">18\.0 to 24\.0</td>', page)
    assert 'title="one round only"' in page


def test_each_stage_has_the_percentiles_that_were_stated() -> None:
    run = with_rounds(make_run(p50=10.0), 1.0, 1.1)
    del run["timing"]["stages"]["decode"]["p99"]
    (stages,) = re.findall(r'<table class="stages">.*?</table>', page_of([run]), re.DOTALL)
    (row,) = re.findall(r"<tr class=.*?</tr>", stages, re.DOTALL)
    cells = [text_of(cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
    assert cells == [
        "2.10p90 2.35", "0.40p90 0.45p99 0.64", "10.0p90 11.2p99 16.0", "0.90p90 1.01p99 1.44",
        "13.4p90 15.0p99 21.4", "40.0", "120",
    ]  # fmt: skip
    assert "batch 1 with 1 thread and 1 stream" in stages


def test_settings_that_differ_stand_beside_their_cells() -> None:
    other = with_rounds(make_run("tflite"), 1.0)
    other["timing"]["setting"] = "b1-t4-s1"
    (stages,) = re.findall(
        r'<table class="stages">.*?</table>', page_of([with_rounds(make_run(), 1.0), other]), re.DOTALL
    )
    assert "TFLite fp32<small>batch 1 with 4 threads and 1 stream</small>" in stages
    assert "batch 1" not in stages[: stages.index("<thead>")]


def test_what_the_machine_did_is_said_once_for_the_table() -> None:
    runs = [make_run(), make_run("tflite")]
    timing = section(page_of(runs), "timing")
    assert timing.count("Other work kept 0.40 cores busy.") == 1
    for run in runs:
        run["timing"]["machine"] = []
    assert "The machine was quiet meanwhile." in section(page_of(runs), "timing")


def test_each_stage_states_its_speed() -> None:
    timing = section(page_of([with_rounds(make_run(), 1.0), with_rounds(make_run("tflite", p50=5.5), 1.0)]), "timing")
    assert "speed 2.00 1.96 to 2.04" in " ".join(text_of(timing).replace("speed", " speed ").split())


def test_rounds_are_drawn_on_one_scale() -> None:
    page = page_of([with_rounds(make_run(p50=10.0), 1.0, 1.2), with_rounds(make_run("tflite", p50=40.0), 1.0)])
    drawn = re.findall(r'<svg class="rounds.*?</svg>', page, re.DOTALL)
    # p99 is 1.6 times p50: the slower cell's ends at 200.
    assert [re.findall(r'cx="([\d.]+)"', svg) for svg in drawn] == [["31.2", "37.5"], ["125.0"]]
    assert 'd="M125.0 16H200.0' in drawn[1]
