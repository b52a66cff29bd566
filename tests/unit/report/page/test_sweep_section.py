"""The settings side by side: a row for each cell and setting whatever became of it, and which is best."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from ssdbench.report.exports.write_exports import write_exports
from ssdbench.report.page.page import render_page
from ssdbench.report.page.sweep_section import best_of
from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.summary.sweep_rows import SWEEP_COLUMNS
from ssdbench.report.summary.write_summary import csv_text
from support.report_cells import make_context, make_run, unready
from support.report_pages import sweep_context, usual_cells

SETTINGS = ["b1-t1-s1", "b1-t1-s2", "b4-t1-s1"]


def timed(setting: str, latencies: list[float], throughputs: list[float], **changes: Any) -> dict[str, Any]:
    """What combine_rounds says of a setting whose rounds gave these figures."""
    per_round = [
        {"round": number, "latency_p50_ms": ms, "end_to_end_p50_ms": ms + 2, "throughput_ips": ips}
        for number, (ms, ips) in enumerate(zip(latencies, throughputs, strict=True), start=1)
    ]
    middle = len(latencies) // 2
    return make_run()["timing"] | {
        "setting": setting,
        "latency_p50_ms": sorted(latencies)[middle],
        "end_to_end_p50_ms": sorted(latencies)[middle] + 2,
        "throughput_ips": sorted(throughputs)[middle],
        "per_round": per_round,
        **changes,
    }


def rows_of(runs: list[dict[str, Any]], sweep: dict[str, Any], refused: dict[str, Any] | None = None) -> list[Any]:
    context = make_context(settings=SETTINGS, sweep=sweep, unsupported_settings=refused or {})
    rows: list[Any] = build_summary(runs, context)["sweep"]
    return rows


def id_of(run: dict[str, Any]) -> str:
    return "/".join(run["cell"].values())


def test_every_cell_has_a_row_for_every_setting_with_what_became_of_it() -> None:
    measured = make_run("tflite", timing=timed("b1-t1-s1", [10, 11, 12], [80, 81, 82]))
    broken = unready("failed", "the converter ran too long", "onnxruntime", "int8")
    never = unready("unsupported", "no fp16 in this framework", "tensorflow", "fp16")
    streams = timed("b1-t1-s2", [12, 13, 14], [150, 151, 152])
    rows = rows_of(
        [measured, broken, never],
        {id_of(measured): {"b1-t1-s2": streams}},
        {id_of(measured): {"b4-t1-s1": "one image at a time"}},
    )
    assert [(row["framework"], row["setting"], row["status"], row["reason"]) for row in rows] == [
        ("tflite", "b1-t1-s1", "ok", ""),
        ("tflite", "b1-t1-s2", "ok", ""),
        ("tflite", "b4-t1-s1", "unsupported", "one image at a time"),
        *(("onnxruntime", name, "failed", "the converter ran too long") for name in SETTINGS),
        *(("tensorflow", name, "unsupported", "no fp16 in this framework") for name in SETTINGS),
    ]
    assert (rows[1]["batch"], rows[1]["threads"], rows[1]["streams"]) == (1, 1, 2)
    assert (rows[1]["end_to_end_p50_ms"], rows[1]["throughput_ips"]) == (15, 151)
    assert rows[2]["throughput_ips"] is None


def test_a_setting_whose_job_vanished_is_failed_and_not_left_out() -> None:
    run = make_run("tflite")
    assert [(row["status"], row["reason"]) for row in rows_of([run], {})][1:] == [
        ("failed", "job ended without a result")
    ] * 2


def test_without_a_sweep_there_is_one_row_a_cell() -> None:
    summary = build_summary([make_run(), make_run("tflite")], make_context())
    lines = list(csv.DictReader(io.StringIO(csv_text(SWEEP_COLUMNS, summary["sweep"]))))
    assert [(line["framework"], line["setting"], line["throughput_ips"] != "") for line in lines] == [
        ("tensorflow", "b1-t1-s1", True),
        ("tflite", "b1-t1-s1", True),
    ]


def test_the_best_setting_is_told_with_those_that_the_rounds_cannot_tell_from_it() -> None:
    run = make_run("tflite", timing=timed("b1-t1-s1", [10, 11, 12], [80, 81, 82]))
    others = {
        "b1-t1-s2": timed("b1-t1-s2", [11.5, 13, 14], [150, 151, 152]),
        "b4-t1-s1": timed("b4-t1-s1", [50, 51, 52], [90, 91, 92]),
    }
    rows = rows_of([run], {id_of(run): others})
    fastest, as_fast = best_of(rows, "end_to_end_p50_ms") or ({}, [])
    assert (fastest["setting"], [row["setting"] for row in as_fast]) == ("b1-t1-s1", ["b1-t1-s2"])
    most, as_much = best_of(rows, "throughput_ips") or ({}, [])
    assert (most["setting"], as_much) == ("b1-t1-s2", [])


def test_a_timing_that_is_not_valid_is_not_the_best() -> None:
    run = make_run("tflite", timing=timed("b1-t1-s1", [10, 11, 12], [80, 81, 82], timing_valid=False))
    assert best_of(rows_of([run], {}), "throughput_ips") is None


def test_the_page_and_its_files_show_a_sweep_where_there_is_one_and_nothing_of_it_elsewhere(tmp_path: Path) -> None:
    cells = usual_cells()
    swept = build_summary(cells, make_context(**sweep_context(cells)))
    files = {path.name for path in write_exports(swept, tmp_path)}
    assert {"sweep-g1.csv", "sweep-g1.svg", "sweep-g1.png"} <= files
    page = render_page(swept, [])
    assert "best for latency is batch 1 with 2 threads and 1 stream" in page
    assert "best for throughput is batch 4 with 1 thread and 2 streams" in page
    plain = build_summary(cells, make_context())
    assert not {path.name for path in write_exports(plain, tmp_path / "plain") if "sweep" in path.name}
    assert 'id="sweep"' not in render_page(plain, [])
