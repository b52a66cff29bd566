"""JSON files of other makers: their encodings, and what Python writes although JSON does not have it."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssdbench.coco.json_file import decode_file
from ssdbench.errors import UserError

CONTENT = {"rows": [{"name": "café ☕ 猫"}, {"name": "b"}], "more": [1, 2]}


class Row(msgspec.Struct):
    name: Any = msgspec.UNSET


class Document(msgspec.Struct):
    rows: list[Row]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_every_unicode_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(json.dumps(CONTENT, ensure_ascii=False).encode(encoding))
    assert [row.name for row in decode_file(path, Document).rows] == ["café ☕ 猫", "b"]


@pytest.mark.parametrize(
    ("encoding", "text"), [("cp1252", "café"), ("shift-jis", "自転車です"), ("gb18030", "自行车和人")]
)
def test_another_encoding_is_refused_with_the_place_and_what_to_do(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(json.dumps({"rows": [{"name": text}]}, ensure_ascii=False).encode(encoding))
    with pytest.raises(
        UserError, match=r"is not text in UTF-8: byte \d+ is 0x.*Windows-1252.*save it as UTF-8"
    ) as said:
        decode_file(path, Document)
    assert "elete" not in str(said.value)


def test_numbers_that_json_does_not_have_and_half_characters_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"rows": [{"name": "a", "other": NaN}, {"name": -Infinity}, {"name": "\\ud800"}]}')
    assert [row.name for row in decode_file(path, Document).rows] == ["a", float("-inf"), "\ud800"]


def zipped(text: bytes) -> bytes:
    with io.BytesIO() as data:
        with zipfile.ZipFile(data, "w") as file:
            file.writestr("instances.json", text)
        return data.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped(b"{}"), "is a zip archive. Unpack it"),
        (gzip.compress(b"{}", mtime=0), "is compressed with gzip. Unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"", "is not JSON"),
        (b'{"rows": [{"name": "a"}', "is not JSON"),
        (b'{"rows": [{"name": "a"}]} {}', "is not JSON"),
        (b"[" * 100_000, "is array in JSON"),
        (b'{"other": ' + b"[" * 100_000, "is not JSON"),
        (b'{"rows": {}}', "rows is object in JSON, not array"),
        (b'{"rows": [3]}', r"rows\[0\] is int in JSON, not object"),
        (b"[]", "the whole file is array in JSON, not object"),
        (b"{}", "required field `rows`"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_never_to_delete_it(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(UserError, match=words) as said:
        decode_file(path, Document)
    assert str(path) in str(said.value)
    assert "elete" not in str(said.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=JSON, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]), escape=st.booleans())
def test_any_document_is_read_as_python_reads_it(tmp_path: Path, content: Any, encoding: str, escape: bool) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(json.dumps({"a": content}, ensure_ascii=escape).encode(encoding, "surrogatepass"))
    assert json.dumps(decode_file(path, dict)) == json.dumps({"a": content})
