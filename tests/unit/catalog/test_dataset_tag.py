"""Dataset tags: what they select, and what is said of a wrong one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.catalog.dataset_tag import parse_tag, read_ids, select_ids
from ssdbench.errors import UserError

ORDER = [50, 10, 40, 20, 30]


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("coco_val2017", [10, 20, 30, 40, 50]),
        ("coco_val2017-first2", [10, 20]),
        ("coco_val2017-fileorder2", [50, 10]),
        ("coco_val2017-ids-0123abcd", [20, 40]),
    ],
)
def test_a_tag_selects_its_ids(tag: str, expected: list[int]) -> None:
    assert select_ids(parse_tag(tag), ORDER, {"0123abcd": [40, 20]}) == expected


@given(st.sets(st.integers(1, 10_000), min_size=3, max_size=60), st.integers(0, 99), st.data())
def test_a_random_subset_depends_on_seed_and_ids_alone(ids: set[int], seed: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(ids)))
    tag = parse_tag(f"local-random{count}-seed{seed}")
    shuffled = data.draw(st.permutations(sorted(ids)))
    chosen = select_ids(tag, shuffled, {})
    assert chosen == select_ids(tag, sorted(ids), {}) == sorted(set(chosen))
    assert len(chosen) == count
    assert set(chosen) <= ids


def test_another_seed_draws_another_subset() -> None:
    ids = range(1000)
    first, second = (select_ids(parse_tag(f"local-random20-seed{seed}"), ids, {}) for seed in (1, 2))
    assert first != second


@pytest.mark.parametrize(
    "text", ["", "COCO", "sample-", "sample-first0", "sample-first", "a/b", "x-random3", "x-ids-12"]
)
def test_a_tag_outside_the_grammar_is_refused_with_the_grammar(text: str) -> None:
    with pytest.raises(UserError, match="-first<N>"):
        parse_tag(text)


def test_more_images_than_there_are_is_said_with_the_number() -> None:
    with pytest.raises(UserError, match=r"asks for 9 images, but local has 5"):
        select_ids(parse_tag("local-first9"), ORDER, {})


def test_ids_that_the_dataset_lacks_are_named() -> None:
    with pytest.raises(UserError, match="image id 99"):
        select_ids(parse_tag("local-ids-0123abcd"), ORDER, {"0123abcd": [10, 99]})
    with pytest.raises(UserError, match="id_files"):
        select_ids(parse_tag("local-ids-ffffffff"), ORDER, {})


@pytest.mark.parametrize(
    ("text", "sentence"), [("1\nx2\n", "line 2: 'x2'"), ("# none\n", "no image id"), ("7\n8\n7\n", "7 twice")]
)
def test_an_id_file_with_a_fault_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        read_ids(text, "ids.txt")


def test_an_id_file_may_have_comments_and_empty_lines() -> None:
    assert read_ids("# mine\n12\n\n7  # why\n", "ids.txt") == [12, 7]
