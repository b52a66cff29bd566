"""What a script that was started by hand says of how it ended."""

from __future__ import annotations

import pytest

from ssdbench.errors import UserError, exit_code


def stopped() -> None:
    raise KeyboardInterrupt


def refused() -> None:
    raise UserError("The file x is missing.")


def test_a_script_ends_with_a_sentence_and_not_with_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(lambda: None) == 0
    assert exit_code(refused) == 1
    assert exit_code(stopped) == 130
    assert capsys.readouterr().err == "The file x is missing.\nStopped.\n"
