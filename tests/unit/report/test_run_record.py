"""What is put together of a cell whose jobs vanished: what is there stands, what is not has failed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ssdbench.machine.project_version import project_version
from ssdbench.report.run_record import collect_run, collect_what_is_there
from ssdbench.report.summary.environment import describe_environment

GIVEN = {
    "cell": {"dataset": "d", "model": "m", "protocol": "heads", "framework": "tflite", "precision": "fp32"},
    "config": {},
    "expected": None,
    "reference": ("tensorflow", "fp32"),
    "share": 0.99,
    "is_compared": True,
}
ABSENT = ("failed", "job ended without a result")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """All records of a cell that went well, each newer than the one before."""
    images = {"dataset": "d", "tag": "d", "folder": "x", "annotations": None, "annotations_sha256": "", "images": []}
    record = {"status": "ok", "reason": "", "log": "x.log"}
    contents = {
        "source": {},
        "images": {**images, "notes": []},
        "card": {**record, "sha256": "ab", "size": 3},
        "detect": {**record, "images": 8},
        "detections": [],
        "metrics": {**record, "metrics": {"AP": 0.25}},
        "parity": record,
        "diagnosis": record,
        "timing": {**record, "setting": "b1-t1-s1", "latency_p50_ms": 3.0, "timing_valid": True},
    }
    paths = {}
    for age, (name, content) in enumerate(contents.items()):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
        paths[name] = str(path)
    return paths


def collected(files: dict[str, str], logs: dict[str, str] | None = None) -> dict[str, Any]:
    named = {name: f"{name}.log" for name in files}
    round_file = str(Path(files["card"]).with_name("round1.json"))
    return collect_what_is_there(files, {**named, **(logs or {})}, {round_file: "round1.log"}, GIVEN)


def status(record: dict[str, Any]) -> tuple[str, str]:
    return record["status"], record["reason"]


def without_time(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "provenance": {**record["provenance"], "time": ""}}


def test_a_whole_cell_is_collected_as_ever(files: dict[str, str]) -> None:
    assert without_time(collected(files)) == without_time(collect_run(files, GIVEN))


def test_the_record_and_the_report_state_the_version_of_the_project(files: dict[str, str]) -> None:
    run = collect_run(files, GIVEN)
    assert run["provenance"]["ssdbench"] == project_version()
    (facts,) = [part["facts"] for part in describe_environment({"cell": run}) if part["title"] == "Provenance"]
    assert {"key": "ssdbench", "values": [{"text": project_version(), "cells": []}]} in facts


@pytest.mark.parametrize("step", ["card", "detect", "metrics", "timing"])
def test_a_step_without_a_result_fails_the_cell_and_what_does_not_rest_on_it_stands(
    files: dict[str, str], step: str
) -> None:
    Path(files[step]).unlink()
    run = collected(files)
    assert status(run) == ABSENT
    assert run["log"] == f"{step}.log"
    made_from = {"card": ["detect", "metrics", "timing"], "detect": ["metrics", "parity", "diagnosis"]}
    gone = {step, *made_from.get(step, [])}
    for name in ("card", "detect", "metrics", "timing"):
        assert (status(run[name]) == ABSENT) == (name in gone), name


def test_a_step_older_than_what_it_is_made_from_is_of_another_time(files: dict[str, str]) -> None:
    os.utime(files["detect"])  # detected anew; then the evaluation vanished
    run = collected(files)
    assert status(run) == status(run["metrics"]) == ABSENT
    assert run["detect"]["status"] == run["timing"]["status"] == "ok"


def test_a_download_that_failed_is_named(files: dict[str, str], tmp_path: Path) -> None:
    for name in ("source", "card", "detect", "metrics", "timing", "parity", "diagnosis"):
        Path(files[name]).unlink()
    log = tmp_path / "fetch.log"
    log.write_text("2026-11-24 10:00:00,000 INFO asking\n2026-11-24 10:00:01,000 ERROR http://x/m.pb answered 404.\n")
    run = collected(files, {"source": str(log)})
    assert run["reason"] == "job ended without a result: http://x/m.pb answered 404."
    assert run["log"] == str(log)
    assert run["log_tail"][0].endswith("asking")


def test_nothing_at_all_is_a_failed_cell_too(files: dict[str, str]) -> None:
    for file in files.values():
        Path(file).unlink()
    run = collected(files)
    assert status(run) == ABSENT
    assert run["log"] == "source.log"
