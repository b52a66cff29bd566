from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ssdbench.arrays import places

# Near each other, as most ids are, and far from each other.
IDS = st.integers(-20, 20) | st.integers(-(2**53) + 1, 2**53 - 1)


@given(ids=st.lists(IDS, unique=True), values=st.lists(IDS))
@example(ids=[5, 3, 9], values=[3, 4, 2, 10, 9, 5, 2**53 - 1, 1 - 2**53])
@example(ids=[2**52, 7, -(2**52)], values=[7, 8, -(2**52), 2**53 - 1])
def test_places_are_those_in_the_list_of_ids(ids: list[int], values: list[int]) -> None:
    found = places(np.array(ids, np.int64), np.array(values, np.int64))
    assert found.tolist() == [ids.index(value) if value in ids else -1 for value in values]
