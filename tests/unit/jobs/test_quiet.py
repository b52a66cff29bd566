"""What native code writes goes to the log, and what the user is to see to the terminal."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from ssdbench.jobs.quiet import native_output_to


def test_native_words_go_to_the_log_and_those_for_the_user_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    for number in (1, 2):
        with native_output_to(log) as terminal:
            os.write(2, f"native {number}\n".encode())
            print(f"shown {number}", file=terminal)
        os.write(2, f"after {number}\n".encode())
    assert log.read_text() == "native 1\nnative 2\n"
    assert capfd.readouterr().err == "shown 1\nafter 1\nshown 2\nafter 2\n"


def test_an_error_comes_through_and_the_terminal_comes_back(capfd: pytest.CaptureFixture[str]) -> None:
    gc.collect()  # files that earlier tests forgot are not to be closed in between
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(ValueError, match="x"), native_output_to(None):
        os.write(2, b"native\n")
        raise ValueError("x")
    os.write(2, b"own\n")
    assert capfd.readouterr().err == "own\n"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
