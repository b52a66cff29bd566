from __future__ import annotations

import io
import logging
import sys

import pytest

from ssdbench.jobs import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Called in the test itself: pytest puts its own stderr back after the fixtures."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    return screen


def without_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest itself listens to all logging."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])


def test_a_job_that_logs_writes_lines_and_draws_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    terminal = use_terminal(monkeypatch)
    caplog.set_level(logging.INFO)
    assert list(progress.track("abc", "checking", 3)) == ["a", "b", "c"]
    assert caplog.messages == [f"checking: {done} of 3 images" for done in (1, 2, 3)]
    assert terminal.getvalue() == ""


def test_a_script_started_by_hand_draws_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    without_logging(monkeypatch)
    list(progress.track("abc", "checking", 3))
    assert "checking: 100%" in terminal.getvalue()


def test_and_writes_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_logging(monkeypatch)
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    list(progress.track("ab", "checking"))
    assert capsys.readouterr().err == "checking: 1 images\nchecking: 2 images\n"
