"""The search for the fewest layers in floats: it is bounded, and it says what it found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.conversion.mixed_search import MOST_CANDIDATES, MOST_SECONDS, Kept, search

SHARES = st.floats(0.5, 1.05) | st.just(float("nan"))


def enough_from(number: int, checked: float = 1.0) -> Callable[[int], Kept]:
    return lambda tried: Kept(0.995 if tried >= number else 0.98, checked)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5, 11, 12])
def test_the_fewest_layers_that_keep_the_share_are_found(number: int) -> None:
    outcome = search(12, enough_from(number), 0.99)
    assert (outcome.best.in_floats, outcome.is_kept) == (number, True)
    assert len(outcome.tried) <= MOST_CANDIDATES


def test_an_int8_network_that_keeps_the_share_is_left_as_it_is() -> None:
    outcome = search(12, enough_from(0), 0.99)
    assert [one.in_floats for one in outcome.tried] == [0]
    assert outcome.words.startswith("no layer left in floats: by pseudo labels 99.5% of fp32's AP is kept")


def test_where_nothing_helps_the_best_is_kept_and_the_words_say_so() -> None:
    outcome = search(12, lambda number: Kept(0.9 + number / 1000, 0.9), 0.99)
    assert not outcome.is_kept
    assert outcome.best.in_floats == 12
    assert outcome.words.startswith("nothing tried keeps 99.0% on both halves (0, 1, 2, 4, 8, 12 layers in floats;")


def test_layers_that_the_other_half_does_not_confirm_are_not_enough() -> None:
    def judge(number: int) -> Kept:
        return Kept(0.995, 0.995 if number >= 4 else 0.97)

    assert search(12, judge, 0.99).best.in_floats == 4


def test_a_search_ends_after_ten_minutes_and_says_so() -> None:
    seconds = iter(range(0, 10**6, 400))
    outcome = search(64, enough_from(60), 0.99, lambda: float(next(seconds)))
    assert len(outcome.tried) < 5
    assert f"the bound of {MOST_SECONDS / 60:g} minutes was reached" in outcome.words


@given(st.lists(st.tuples(SHARES, SHARES), min_size=65, max_size=65), st.integers(0, 64))
def test_whatever_candidates_keep_the_search_is_bounded_and_no_better_one_was_tried(
    kept: list[tuple[float, float]], layers: int
) -> None:
    outcome = search(layers, lambda number: Kept(*kept[number]), 0.99)
    numbers = [one.in_floats for one in outcome.tried]
    assert len(numbers) == len(set(numbers)) <= MOST_CANDIDATES
    assert all(0 <= number <= layers for number in numbers)
    enough = [one.in_floats for one in outcome.tried if one.least >= 0.99]
    assert outcome.is_kept == bool(enough)
    if enough:
        assert outcome.best.in_floats == min(enough)
