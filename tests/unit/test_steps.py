"""Steps: whatever happens, there is a record with the reason."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import time
from pathlib import Path

import pytest

from ssdbench import steps
from ssdbench.errors import UserError
from ssdbench.files import write_json


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
    }


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


def test_a_child_returns_its_record() -> None:
    assert steps.in_child(lambda: {"pid": os.getpid()}, 60, "The work")["pid"] != os.getpid()


def test_a_child_that_is_killed_hangs_or_errs_has_its_own_reason() -> None:
    def crash() -> steps.Record:
        faulthandler.disable()  # its dump would only clutter the output of the tests
        os.kill(os.getpid(), signal.SIGSEGV)
        return {}

    def hang() -> steps.Record:
        time.sleep(600)
        return {}

    def mistake() -> steps.Record:
        raise UserError("No such node.")

    with pytest.raises(UserError, match=r"The work ended without a result: killed by signal 11"):
        steps.in_child(crash, 60, "The work")
    with pytest.raises(UserError, match=r"The work took longer than its limit of 0.2 s"):
        steps.in_child(hang, 0.2, "The work")
    with pytest.raises(UserError, match=r"^No such node\.$"):
        steps.in_child(mistake, 60, "The work")


def test_a_record_is_strict_json_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"AP": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(path, {"AP": 0.25})
    assert json.loads(path.read_text()) == {"AP": 0.25}
