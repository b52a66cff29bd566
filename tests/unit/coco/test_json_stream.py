"""Reading JSON in pieces gives what Python's json module gives of the whole, or refuses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ssdbench.coco import json_stream
from ssdbench.coco.json_stream import read_pieces
from ssdbench.errors import UserError

# What cuts may be taken for: brackets, commas and quotes in strings, backslashes before quotes.
TEXTS = st.text(st.sampled_from('a"\\{}[],: é\n'), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=25
)


def read_whole(path: Path, block: int) -> Any:
    """The document, put together from its pieces."""
    with patch.object(json_stream, "_BLOCK", block):
        pieces = list(read_pieces(path))
    if pieces and pieces[0].key is None:
        return [row for piece in pieces for row in piece.value] if pieces[0].is_array else pieces[0].value
    document: dict[str, Any] = {}
    for piece in pieces:
        if piece.is_array:
            document.setdefault(piece.key, []).extend(piece.value)
        else:
            document[piece.key] = piece.value
    return document


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=JSON, block=st.integers(1, 40), indent=st.none() | st.just(1), is_ascii=st.booleans())
def test_the_pieces_are_the_whole(
    tmp_path: Path, document: Any, block: int, indent: int | None, is_ascii: bool
) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(document, indent=indent, ensure_ascii=is_ascii), encoding="utf-8")

    read = read_whole(path, block)

    # Numbers as text: NaN is not equal to itself, and integers beyond 64 bits come back as floats.
    assert json.dumps(_floats(read)) == json.dumps(_floats(document))


def _floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_floats(one) for one in value]
    if isinstance(value, dict):
        return {key: _floats(one) for key, one in value.items()}
    return float(value) if type(value) is int and abs(value) >= 2**63 else value


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from('1,:{}[]"\\a '), max_size=14), block=st.integers(1, 9))
@example("[1,]", 4)
@example("[1,,2]", 4)
@example("[1", 4)
@example('{"a": [1,]}', 4)
@example('{"a": 1,}', 4)
@example("[1] 2", 4)
@example("", 4)
def test_what_is_not_json_is_refused(tmp_path: Path, text: str, block: int) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(UserError, match=r"file\.json is not JSON: .*\. Delete it"):
            read_whole(path, block)
    else:
        assert read_whole(path, block) == expected


def test_the_place_of_a_fault_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("[" + '{"a": 1},\n' * 100_000 + '{"a": nonsense}]')

    with pytest.raises(UserError, match="is not JSON: Expecting value at byte 1000007"):
        list(read_pieces(path))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        list(read_pieces(tmp_path / "none.json"))
