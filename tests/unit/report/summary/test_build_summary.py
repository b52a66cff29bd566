from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.summary.environment import fold
from ssdbench.report.summary.write_summary import summary_csv, summary_markdown, write_summary
from support.report_cells import FP32, make_context, make_run, unready

PROMISED = [
    "model", "protocol", "framework", "precision", "status", "reason", "images",
    "AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10", "AR100",
    "ARsmall", "ARmedium", "ARlarge",
    "speed", "speed_low", "speed_high", "speed_verdict", "speed_reference",
    "latency_p50_ms", "latency_p90_ms", "throughput_ips", "timing_valid", "timing_reason",
    "model_mb", "peak_rss_mb",
]  # fmt: skip


def scaled(factor: float) -> tuple[float, ...]:
    return tuple(factor * score for score in FP32)


def csv_rows(runs: list) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(summary_csv(build_summary(runs, make_context())))))


def test_csv_starts_with_the_promised_columns_in_order() -> None:
    header = summary_csv(build_summary([make_run()], make_context())).splitlines()[0].split(",")
    assert header[: len(PROMISED)] == PROMISED


def test_csv_row_holds_what_was_measured() -> None:
    (row,) = csv_rows([make_run(p50=8.0, size=17_500_000)])
    assert (row["AP"], row["ARlarge"]) == ("0.3016", "0.7074")
    assert (row["latency_p50_ms"], row["model_mb"], row["timing_valid"]) == ("8.0", "17.5", "true")


@pytest.mark.parametrize("status", ["failed", "unsupported"])
def test_a_cell_without_results_has_empty_fields_and_its_reason(status: str) -> None:
    (row,) = csv_rows([unready(status, "no such op, sorry", "tflite", "int8")])
    assert (row["status"], row["reason"]) == (status, "no such op, sorry")
    numbers = [row[name] for name in PROMISED[PROMISED.index("images") :]]
    assert set(numbers) == {""}


def test_a_cell_that_scored_zero_is_zero_and_not_empty() -> None:
    (row,) = csv_rows([make_run(scores=(0.0,) * 12)])
    assert row["AP"] == "0.0"


def test_minus_one_of_pycocotools_is_missing_with_a_reason() -> None:
    summary = build_summary([make_run(scores=(*FP32[:3], -1.0, *FP32[4:]))], make_context())
    row = summary["rows"][0]
    assert row["APsmall"] is None
    assert "no object of this size" in row["missing"]["APsmall"]
    assert row["AP"] == FP32[0]


def test_an_invalid_timing_is_kept_and_flagged() -> None:
    run = make_run("tflite", p50=2.0)
    run["timing"] |= {"timing_valid": False, "timing_reason": "round 1: 40 queries, 64 are needed"}
    summary = build_summary([make_run(p50=10.0), run], make_context())
    row = summary["rows"][1]
    assert (row["latency_p50_ms"], row["timing_valid"], row["timing_reason"]) == (
        2.0,
        False,
        "round 1: 40 queries, 64 are needed",
    )
    assert "round 1: 40 queries, 64 are needed" in summary_markdown(summary)
    fastest = next(fact for fact in summary["groups"][0]["findings"] if fact["label"] == "Fastest")
    assert fastest["words"].startswith("TensorFlow fp32")
    assert fastest["words"].endswith("1 of 2 timings are valid, and the others do not count.")


def test_the_fastest_names_whose_ap_it_keeps_where_the_reference_was_not_timed_well() -> None:
    reference = make_run(p50=10.0)
    reference["timing"] |= {"timing_valid": False, "timing_reason": "round 1: x"}
    summary = build_summary([reference, make_run("tflite", p50=2.0)], make_context())
    fastest = next(fact for fact in summary["groups"][0]["findings"] if fact["label"] == "Fastest")
    assert "of the reference's AP" in fastest["words"]


@pytest.mark.parametrize(
    "other",
    [{"protocol": "published_tf"}, {"model": "another"}, {"dataset": "local-first10"}],
    ids=["protocol", "model", "dataset"],
)
def test_nothing_is_compared_across_groups(other: dict[str, str]) -> None:
    runs = [make_run(), make_run("tflite", "int8", scores=scaled(0.5), **other)]
    summary = build_summary(runs, make_context())
    assert [group["cells"] for group in summary["groups"]] == [[row["id"]] for row in summary["rows"]]
    lone = summary["rows"][1]
    assert lone["AP_change"] is None and lone["AP_share"] is None
    assert "TensorFlow fp32, is not among" in summary["groups"][1]["reference_reason"]
    assert not any("the reference" in fact["words"] for fact in summary["groups"][1]["findings"])


def test_change_is_from_the_reference_wherever_it_stands_in_the_list() -> None:
    runs = [make_run("tflite", "int8", scores=scaled(0.95)), make_run()]
    changed, reference = build_summary(runs, make_context())["rows"]
    assert changed["AP_change"] == pytest.approx(-0.05 * FP32[0])
    assert changed["AP_share"] == pytest.approx(0.95)
    assert reference["is_reference"] and reference["AP_change"] is None


def test_a_failed_reference_leaves_no_changes_and_says_so() -> None:
    runs = [unready("failed", "out of memory", "tensorflow", "fp32"), make_run("tflite")]
    summary = build_summary(runs, make_context())
    assert summary["rows"][1]["AP_change"] is None
    assert "out of memory" in summary["groups"][0]["reference_reason"]


def test_the_configured_reference_is_used() -> None:
    context = make_context(reference={"framework": "onnxruntime", "precision": "fp32"})
    summary = build_summary([make_run(), make_run("onnxruntime", scores=scaled(0.9))], context)
    assert summary["rows"][0]["AP_share"] == pytest.approx(1 / 0.9)


def test_frameworks_that_agree_at_fp32_are_said_to() -> None:
    runs = [
        make_run(),
        make_run("tflite", scores=(0.3014, *FP32[1:])),
        make_run("tflite", "int8", scores=scaled(0.9)),
    ]
    facts = {fact["label"]: fact["figure"] for fact in build_summary(runs, make_context())["groups"][0]["findings"]}
    assert facts["Frameworks apart"] == "0.0002"


def test_the_best_cell_is_the_fastest_that_keeps_the_share_of_ap_and_stands_in_a_sentence() -> None:
    lossy = make_run("tflite", "int8", p50=4.0, scores=(0.9 * FP32[0], *FP32[1:]))
    runs = [make_run(), lossy, make_run("onnxruntime", p50=5.5)]
    (group,) = build_summary(runs, make_context(share=0.99))["groups"]
    assert group["best"] == "local/ssdlite_mobilenet_v2/heads/onnxruntime/fp32"
    assert group["best_sentence"] == (
        "ONNX Runtime fp32 was the fastest of the cells that keep 99.0\N{NO-BREAK SPACE}% of the reference's AP here: "
        "2.00 times as fast as TensorFlow fp32 (95\N{NO-BREAK SPACE}% interval 1.96 to 2.04), "
        "with an AP of 0.302, 100.0\N{NO-BREAK SPACE}% of the reference's."
    )
    (alone,) = build_summary([make_run(), lossy], make_context(share=0.99))["groups"]
    assert alone["best_sentence"] == (
        "TensorFlow fp32: no other cell that keeps 99.0\N{NO-BREAK SPACE}% of its AP was faster."
    )
    lossy["timing"]["timing_valid"] = False
    (loose,) = build_summary([make_run(), lossy], make_context(share=0.8))["groups"]
    assert loose["best"] == "local/ssdlite_mobilenet_v2/heads/tensorflow/fp32"


def test_published_rows_are_not_compared_in_speed() -> None:
    runs = [make_run(protocol="published_tf"), make_run("tflite", protocol="published_tf")]
    rows = build_summary(runs, make_context(kind="published", tag="published"))["rows"]
    assert [(row["speed"], row["speed_verdict"]) for row in rows] == [(None, "")] * 2


def test_markdown_tables_survive_hostile_text() -> None:
    run = unready("failed", "a | b <script>\nc", "tflite", "int8", model="m|<b>")
    lines = summary_markdown(build_summary([make_run(), run], make_context())).splitlines()
    assert not any("<script" in line or "<b>" in line for line in lines)
    tables = [line.replace("\\|", "") for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in tables}) == 1


def test_the_sample_is_never_called_coco() -> None:
    images = [{"tag": "sample", "dataset": "sample", "images": [], "notes": []}]
    text = summary_markdown(build_summary([make_run(dataset="sample")], make_context(tag="sample", images=images)))
    assert "not COCO" in text and "no cell gets a verdict" in text


def test_written_json_is_the_summary(tmp_path: Path) -> None:
    summary = build_summary([make_run(), unready("failed", "x", "tflite", "fp16")], make_context())
    write_summary(summary, *(tmp_path / name for name in ("s.csv", "s.json", "s.md", "sweep.csv")))
    assert json.loads((tmp_path / "s.json").read_text()) == summary
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3


def test_packages_are_those_that_the_steps_recorded() -> None:
    run = make_run("tflite")
    run["detect"]["versions"] = {"tflite": "0.9"}
    sections = build_summary([make_run(), run], make_context())["environment"]
    (ran,) = [section["facts"] for section in sections if section["title"] == "Packages that ran"]
    assert {fact["key"]: [value["text"] for value in fact["values"]] for fact in ran} == {
        "tensorflow": ["1.0"],
        "tflite": ["1.0", "0.9"],
    }


def test_a_machine_or_runtime_that_detected_otherwise_is_told_beside_the_one_that_timed() -> None:
    run = make_run()
    titles = [section["title"] for section in build_summary([run], make_context())["environment"]]
    assert not any("detected" in title for title in titles)
    run["detect"] |= {"host": {"cpu": "Other CPU"}, "runtime": {"version": "1.0", "threads": 2}}
    sections = build_summary([run], make_context())["environment"]
    facts = {section["title"]: section["facts"] for section in sections}
    assert facts["Machine that timed"][0]["values"] == [{"text": "Example CPU @ 2.0 GHz", "cells": []}]
    cell = "local/ssdlite_mobilenet_v2/heads/tensorflow/fp32"
    other = {"key": "cpu", "values": [{"text": "Other CPU", "cells": [cell]}]}
    assert facts["Machine that detected, where it differs"] == [other]
    threads = {"key": "threads", "values": [{"text": "2", "cells": [cell]}]}
    assert facts["Runtime that detected, where it differs"] == [threads]


def test_rounds_on_two_machines_are_both_told() -> None:
    facts = fold({"a": [{"cpu": "X", "cores": 2}, {"cpu": "Y", "cores": 2}]})
    assert facts == [
        {"key": "cpu", "values": [{"text": "X", "cells": ["a"]}, {"text": "Y", "cells": ["a"]}]},
        {"key": "cores", "values": [{"text": "2", "cells": []}]},
    ]


def test_facts_that_all_cells_share_come_once_and_others_with_their_cells() -> None:
    everywhere = fold({"a": [{"seed": 0}], "b": [{"seed": 0}], "without": []})
    assert everywhere == [{"key": "seed", "values": [{"text": "0", "cells": []}]}]
    facts = fold(
        {"a": [{"host": {"cpu": "X"}, "seed": 0}], "b": [{"host": {"cpu": "X"}, "seed": 1}], "c": [{"seed": 1}]}
    )
    assert facts == [
        {"key": "host.cpu", "values": [{"text": "X", "cells": ["a", "b"]}]},
        {"key": "seed", "values": [{"text": "0", "cells": ["a"]}, {"text": "1", "cells": ["b", "c"]}]},
    ]
