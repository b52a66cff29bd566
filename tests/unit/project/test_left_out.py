"""What a run of the tests leaves out is told at its end, and in CI nothing is left out for a missing program."""

from __future__ import annotations

from collections import Counter

import pytest

from support.left_out import leave_out, listing


def test_a_missing_program_leaves_a_test_out_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no browser on PATH.*apt-get install browser"):
        leave_out("no browser on PATH", "apt-get install browser")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"no browser on PATH.*apt-get install browser"):
        leave_out("no browser on PATH", "apt-get install browser")
    with pytest.raises(pytest.skip.Exception):
        leave_out("no images", "fetch them", even_in_ci=True)


def test_each_reason_is_a_line_with_its_number_of_tests_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception) as left:
        leave_out("no browser on PATH", "apt-get install browser")
    reason = f"Skipped: {left.value}"
    assert listing([reason, reason, "Skipped: not on this system"], Counter(full=1, slow=3)) == [
        "2 tests: no browser on PATH. To run: apt-get install browser",
        "1 test: not on this system",
        "1 test: needs a cluster, kills, real images, published rows, memory or fuzzing. To run: make test-full",
        "3 tests: need conversions or whole runs. To run: make test",
    ]
    assert listing([], Counter()) == []
