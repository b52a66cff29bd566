from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.coco.sound_rows import SoundBox, Unusual, columns, decode_sound, ids


class Row(msgspec.Struct):
    number: float
    bbox: SoundBox
    flag: float = 0.0


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**40), 2**40)


@given(parts=st.lists(st.lists(st.tuples(NUMBERS, st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS)), max_size=20)))
def test_columns_are_the_values_of_all_rows(parts: list[list[tuple[float, tuple[float, ...]]]]) -> None:
    rows = [row for part in parts for row in part]
    texts = [json.dumps([{"bbox": box, "other": [number], "number": number} for number, box in part]) for part in parts]

    found = columns(Row, (decode_sound(text.encode(), list[Row]) for text in texts), len(rows) + 3)

    assert found["number"].tolist() == [number for number, _ in rows]
    assert found["bbox"].tolist() == [list(box) for _, box in rows]
    assert found["bbox"].shape == (len(rows), 4)
    assert found["flag"].tolist() == [0] * len(rows)


@pytest.mark.parametrize("count", [15, 16, 70_000])  # from these on MessagePack has longer heads of lists
def test_any_number_of_rows_fits(count: int) -> None:
    rows = [Row(float(n), SoundBox(0.0, 1.0, 2.0, n / 2)) for n in range(count)]
    assert np.array_equal(columns(Row, [rows], count)["bbox"][:, 3], np.arange(count) / 2)


@pytest.mark.parametrize("box", ["[1, 2, 3]", "[1, 2, 3, 4, 5]", "[1, 2, 3, null]", "{}", '"1234"', "[1, 2, 3, true]"])
def test_other_boxes_are_left_to_the_slower_reader(box: str) -> None:
    with pytest.raises(Unusual):
        decode_sound(f'[{{"number": 1, "bbox": {box}}}]'.encode(), list[Row])


def test_whole_numbers_are_ids() -> None:
    assert ids(np.array([1.0, -(2.0**53) + 1, 2.0**53 - 1])).tolist() == [1, -(2**53) + 1, 2**53 - 1]
    assert ids(np.zeros(0)).tolist() == []


@pytest.mark.parametrize("number", [0.5, 2.0**53, -(2.0**53), 1e300, float("inf")])
def test_numbers_that_need_not_be_exact_are_not_ids(number: float) -> None:
    with pytest.raises(Unusual):
        ids(np.array([3.0, number]))
