"""What is said under a table of how much longer a timing would decide a speed."""

from __future__ import annotations

import pytest

from support.report_cells import make_run
from support.report_pages import page_of, text_of


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (40, "TFLite fp32: about 40 s more of turns would decide whether it is faster or slower."),
        (600, "TFLite fp32: about 10 min more of turns would decide whether it is faster or slower."),
        (None, "TFLite fp32: runs differ by more than its speed differs from 1, so more turns would not decide."),
    ],
)
def test_an_undecided_speed_says_what_would_decide_it(seconds: int | None, said: str) -> None:
    undecided = make_run("tflite")
    undecided["timing"] |= {"speed_verdict": "undecided", "speed_more_s": seconds}
    assert said in text_of(page_of([make_run(), undecided]))
