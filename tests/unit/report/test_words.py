from __future__ import annotations

import pytest

from ssdbench.report import words


@pytest.mark.parametrize(
    ("value", "text"), [(6.127, "6.13"), (9.996, "10.0"), (34.21, "34.2"), (99.96, "100"), (1204.4, "1,204")]
)
def test_quantities_have_three_digits(value: float, text: str) -> None:
    assert words.quantity(value) == text


@pytest.mark.parametrize(("value", "text"), [(-0.0121, "−0.012"), (0.02, "+0.020"), (-0.0004, "0.000"), (0.0, "0.000")])
def test_changes_have_a_true_sign_and_none_at_zero(value: float, text: str) -> None:
    assert words.change(value) == text


def test_frameworks_and_settings_in_words() -> None:
    assert words.framework_name("tflite-builtin") == "TFLite (builtin)"
    assert words.framework_name("my-own") == "my-own"
    assert words.setting_words("b1-t2-s1") == "batch 1 with 2 threads and 1 stream"


def test_lists_read_as_sentences() -> None:
    assert [words.listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
