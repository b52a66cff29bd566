"""What a person sees of a run."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from ssdbench.jobs import run_display
from ssdbench.jobs.run_display import Job, RunDisplay

WORKFLOW = Path(__file__).resolve().parents[3] / "workflow"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def detecting(folder: Path, precision: str, **record: str) -> Job:
    file = folder / precision / "detect.json"
    file.parent.mkdir()
    file.write_text(json.dumps(record))
    return Job("detect_objects", {"framework": "tflite", "precision": precision}, (file,), (folder / "detect.log",))


def test_a_pipe_gets_plain_lines_of_which_there_are_few(tmp_path: Path) -> None:
    stream = io.StringIO()
    display = RunDisplay(stream)
    display.begin({"detect_objects": 200})
    for number in range(200):  # two at once
        display.start(number, Job("detect_objects", {"framework": "opencv", "precision": "fp32"}, (), ()))
        if number:
            display.finish(number - 1)
    display.finish(199)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("0 of 200 steps done")
    assert lines[-1] == "200 of 200 steps done"
    assert any("now detecting opencv fp32" in line for line in lines)
    assert len(lines) <= 12


def test_a_terminal_shows_one_line_and_each_thing_worth_knowing_above_it(tmp_path: Path) -> None:
    stream = Terminal()
    display = RunDisplay(stream)
    display.begin({"fetch_model": 1, "detect_objects": 2})
    display.start(1, Job("fetch_model", {"model": "tiny"}, (), ()))
    display.finish(1)
    display.start(2, detecting(tmp_path, "fp32", status="ok", reason="", log=""))
    display.finish(2)
    display.close()
    said = stream.getvalue()
    assert "fetched the model tiny\n" in said
    assert "2 of 3 steps done" in said
    assert said.count("\n") <= 3  # else in one line, written over


def test_a_failed_step_is_said_once_with_reason_and_log(tmp_path: Path) -> None:
    stream = io.StringIO()
    display = RunDisplay(stream)
    display.begin({"detect_objects": 1, "evaluate_detections": 1})
    failed = {"status": "failed", "reason": "it ran out of memory.", "log": "logs/detect.log"}
    display.start(1, detecting(tmp_path, "int8", **failed))
    display.finish(1)
    later = {**failed, "reason": "detection: it ran out of memory."}  # as the evaluation takes it over
    display.start(2, detecting(tmp_path, "fp16", **later))
    display.finish(2)
    said = [line for line in stream.getvalue().splitlines() if line.startswith("failed")]
    assert said == ["failed: detecting tflite int8: it ran out of memory. (log: logs/detect.log)"]


def test_a_job_that_ended_without_a_result_is_said_with_the_last_error_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "fetch.log"
    log.write_text("2026-01-01 INFO started\n2026-01-01 ERROR No route to the server.\n2026-01-01 INFO done\n")
    stream = io.StringIO()
    display = RunDisplay(stream)
    display.begin({"fetch_model": 1})
    display.start(1, Job("fetch_model", {"model": "tiny"}, (), (log,)))
    display.fail(1)
    assert f"failed: fetching the model. No route to the server. (log: {log})\n" in stream.getvalue()


def test_the_time_left_follows_what_jobs_of_the_same_rule_took() -> None:
    display = RunDisplay(io.StringIO())
    display.begin({"convert_model": 10})
    rough = display.seconds_left()
    for number in range(5):
        display.start(number, Job("convert_model", {}, (), ()))
        display.finish(number)
    assert display.seconds_left() < rough / 10  # these took no time


def test_a_note_on_what_a_user_gave_is_said_once(tmp_path: Path) -> None:
    stream = io.StringIO()
    display = RunDisplay(stream)
    display.begin({"evaluate_detections": 2})
    for number in range(2):
        (tmp_path / f"{number}.json").write_text(json.dumps({"status": "ok", "notes": ["Boxes look like corners."]}))
        display.start(number, Job("evaluate_detections", {}, (tmp_path / f"{number}.json",), ()))
        display.finish(number)
    assert stream.getvalue().count("note: Boxes look like corners.") == 1


@pytest.mark.parametrize("table", ["_SECONDS", "_DOING", "_MILESTONES"])
def test_what_is_known_of_a_rule_is_of_a_rule_that_there_is(table: str) -> None:
    texts = [file.read_text() for file in (WORKFLOW / "rules").glob("*.smk")]
    rules = {name for text in texts for name in re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.M)}
    rules |= {name for text in texts for name in re.findall(r'f"(\w+)-\{table', text)}
    assert set(getattr(run_display, table)) <= rules
