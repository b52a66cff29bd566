"""A result made with other code or on another host is marked."""

from __future__ import annotations

from typing import Any

from ssdbench.report.page.page import render_page
from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.summary.provenance import provenance_marks
from ssdbench.report.summary.write_summary import summary_csv, summary_markdown
from support.report_cells import HOST, make_context, make_run, unready

CODE = {step: {"tensorflow": "cd" * 32, "tflite": "cd" * 32} for step in ("detect", "timing")}


def on(host: str, cpu: str = "Example CPU", **run: Any) -> dict[str, Any]:
    made = make_run(**run)
    for step in ("detect", "timing"):
        made[step]["host"] = {"hostname": host, "cpu": cpu}
    return made


def test_results_of_the_present_code_on_one_host_carry_no_mark() -> None:
    runs = [on("a"), on("a", framework="tflite"), unready("failed", "no memory", "tflite", "int8")]
    assert provenance_marks(runs, CODE) == [[], [], []]


def test_other_code_is_named_by_step() -> None:
    runs = [on("a"), on("a", framework="tflite")]
    runs[1]["detect"]["code_sha256"] = "ef" * 32
    runs[0]["timing"]["code_sha256"] = ["cd" * 32, "ef" * 32]
    first, second = provenance_marks(runs, CODE)
    assert first == ["timing made with other code than the project's now; a run with `-R` makes them anew."]
    assert second[0].startswith("detections made with other code")


def test_another_host_is_named_also_where_only_its_processor_differs() -> None:
    runs = [on("a"), on("a", precision="fp16"), on("a", "Other CPU", framework="tflite")]
    marks = provenance_marks(runs, {})
    assert marks[:2] == [[], []]
    assert marks[2] == [
        "detections made on Other CPU, those of most other cells on Example CPU.",
        "timing made on a with Other CPU, those of most other cells on a with Example CPU.",
    ]


def test_nodes_that_are_alike_are_told_apart_for_timings_alone() -> None:
    marks = provenance_marks([on("a"), on("a", precision="fp16"), on("b", framework="tflite")], {})
    assert marks[2] == ["timing made on b with Example CPU, those of most other cells on a with Example CPU."]


def test_rows_name_their_host_and_processors_of_one_name_are_told_apart() -> None:
    runs = [make_run(p50=34.0), make_run("tflite", p50=11.0)]
    for run, host, model in zip(runs, ("node1", "node2"), ("1", "49"), strict=True):
        run["timing"]["host"] = {"hostname": host, "cpu": "AMD EPYC", "cpu_id": f"model {model} microcode 0x1"}
    summary = build_summary(runs, make_context())
    assert [row["timed_host"] for row in summary["rows"]] == ["node1", "node2"]
    assert [row["timed_on"] for row in summary["rows"]] == [["AMD EPYC (model 1)"], ["AMD EPYC (model 49)"]]
    assert "timed_host" in summary_csv(summary).splitlines()[0]
    page = render_page(summary, [])
    assert "on node1" in page and "on node2" in page


def test_the_mark_stands_in_rows_and_notes() -> None:
    runs = [make_run(), make_run("tflite"), make_run("tflite", "fp16")]
    runs[1]["timing"]["host"] = {**HOST, "hostname": "elsewhere"}
    summary = build_summary(runs, make_context(code=CODE))
    assert [len(row["marks"]) for row in summary["rows"]] == [0, 1, 0]
    everywhere = build_summary(runs, make_context(code={"detect": {"tensorflow": "0", "tflite": "0"}}))
    assert "- All 3 cells that ran: detections made with other code" in summary_markdown(everywhere)
    assert "TFLite fp32: timing made on elsewhere with Example CPU" in summary_markdown(summary)


def test_a_comparison_that_failed_is_a_mark_and_no_failed_cell() -> None:
    run = make_run("tflite", parity={"status": "failed", "reason": "Out of memory.", "log": "logs/p.log"})
    (row,) = build_summary([run], make_context())["rows"]
    assert (row["status"], row["parity"]) == ("ok", "")
    assert row["marks"] == ["the comparison with the reference failed: Out of memory. Log: logs/p.log"]
