"""Steps: whatever happens, there is a record with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssdbench.errors import UserError
from ssdbench.files.writing import write_json
from ssdbench.jobs import steps
from ssdbench.jobs.limited_process import OverLimit


def test_a_step_that_went_well_has_status_ok_and_its_content(tmp_path: Path) -> None:
    assert steps.outcome(tmp_path / "log", lambda: {"images": 3}, {}) == {
        "status": "ok",
        "reason": "",
        "log": str(tmp_path / "log"),
        "images": 3,
    }


def test_a_mistake_and_an_unexpected_error_both_become_reasons() -> None:
    def mistake() -> steps.Record:
        raise UserError("The file x is gone.")

    def surprise() -> steps.Record:
        raise ValueError("two\nlines")

    assert steps.outcome("log", mistake, {})["reason"] == "The file x is gone."
    assert steps.outcome("log", surprise, {}) == {
        "status": "failed",
        "reason": "unexpected ValueError: two lines",
        "log": "log",
        "log_tail": [],
    }


def test_a_failed_step_shows_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(500)))

    def mistake() -> steps.Record:
        raise UserError("The file x is gone.")

    tail = steps.outcome(log, mistake, {})["log_tail"]
    assert tail[-1] == "line 499"
    assert 5 < len(tail) < 100


def test_a_step_over_its_limit_fails_its_job_while_attempts_are_left() -> None:
    def too_much() -> steps.Record:
        raise OverLimit("It took 9 MB.")

    with pytest.raises(SystemExit) as end:
        steps.outcome("log", too_much, {}, attempts_left=1)
    assert end.value.code == 1
    assert steps.outcome("log", too_much, {}, attempts_left=0)["reason"] == "It took 9 MB."


def test_a_step_on_a_failed_one_does_no_work_and_hands_the_reason_on(tmp_path: Path) -> None:
    earlier = tmp_path / "card.json"
    write_json(earlier, {"status": "failed", "reason": "it broke", "log": "first.log"})

    def never() -> steps.Record:
        raise AssertionError

    assert steps.outcome("log", never, {"conversion": earlier}) == {
        "status": "failed",
        "reason": "conversion: it broke",
        "log": "first.log",
    }


def test_a_record_is_strict_json_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"AP": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(path, {"AP": 0.25})
    assert json.loads(path.read_text()) == {"AP": 0.25}
