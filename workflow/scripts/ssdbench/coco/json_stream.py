"""Large JSON files, a piece at a time: little is in memory at once, however long the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from ssdbench.files.reading import json_errors

_BLOCK = 1 << 18  # bytes: small enough for caches
_SPACE = re.compile(rb"[ \t\n\r]*")
_BEHIND_VALUE = tuple(" \t\n\r,:]}")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)


@dataclass(frozen=True)
class Piece:
    """Some of what a file holds.

    key: of the document, where it is an object; None where it is not. value: some consecutive elements where
    `is_array`: an array comes as one piece or several, in order; else the value itself.
    """

    key: str | None
    is_array: bool
    value: Any


def read_pieces(path: Path) -> Iterator[Piece]:
    """Read a JSON document whose arrays may be long: that of the document, or those in the object it is.

    Numbers that JSON does not have (NaN, Infinity, of any size) are read as Python's json module reads them. Of an
    object's keys that come twice, so do the pieces.

    Raises:
        UserError: the file is missing, unreadable or not JSON; pieces before the fault have been given by then.
    """
    with json_errors(path), path.open("rb") as file:
        text = _Text(file)
        start = text.peek()
        if start == b"[":
            text.skip(1)
            yield from (Piece(None, True, part) for part in text.elements())
        elif start == b"{":
            text.skip(1)
            yield from text.members()
        else:
            yield Piece(None, False, text.value())
        if text.peek():
            raise text.fault("extra data")


class _Text:
    """The text of a file from a position on, of which a part is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._part, self._at, self._before = b"", 0, 0  # _before: bytes of the file ahead of the part

    def peek(self) -> bytes:
        """The next byte that is no space, where the position then is; b"" at the end."""
        while True:
            self._at = _SPACE.match(self._part, self._at).end()  # type: ignore[union-attr]  # it matches always
            if self._at < len(self._part) or not self._read():
                return self._part[self._at : self._at + 1]

    def skip(self, count: int) -> None:
        self._at += count

    def members(self) -> Iterator[Piece]:
        """The members of an object, from behind its opening brace to behind its closing one."""
        if self.peek() == b"}":
            return self.skip(1)
        while True:
            key = self._string()
            self._expect(b":")
            if self.peek() == b"[":
                self.skip(1)
                yield from (Piece(key, True, part) for part in self.elements())
            else:
                yield Piece(key, False, self.value())
            if self.peek() == b"}":
                return self.skip(1)
            self._expect(b",")

    def elements(self) -> Iterator[list[Any]]:
        """The elements of an array, from behind its opening bracket to behind its closing one, in lists."""
        is_first, is_closed = True, False
        while not is_closed:
            while len(self._part) - self._at < _BLOCK and self._read():
                pass
            # Nearly always the last comma behind a brace parts two elements; where it does not, nothing parses.
            end = self._part.rfind(b"},", self._at) + 1
            part = _parsed_or_none(b"[" + self._part[self._at : end] + b"]") if end else None
            if part is None:
                end, is_closed = self._cut()
                text = self._part[self._at : end]
                if is_closed and self._part[end : end + 1] != b"]":
                    raise self.fault("an array without end")
                if text.strip(b" \t\n\r") or not is_closed:
                    part = self._parsed(b"[" + text + b"]")
                elif is_first:
                    part = []
                else:
                    raise self.fault("no value behind a comma")
            self._at = end + 1
            is_first = False
            yield part

    def value(self) -> Any:
        """The value that follows: no array of the document."""
        while True:
            text = self._part[self._at :].decode("utf-8", "surrogateescape")  # a character may be cut
            try:
                value, length = json.JSONDecoder().raw_decode(text)
            except ValueError:
                if self._read():
                    continue
                raise self.fault("no value") from None
            ends = text[length : length + 1] in _BEHIND_VALUE  # else a number may go on
            if ends or not self._read():
                self._at += len(text[:length].encode("utf-8", "surrogateescape"))
                return value

    def fault(self, what: str) -> ValueError:
        """What is wrong where the position is."""
        return ValueError(f"{what} at byte {self._before + self._at}")

    def _string(self) -> str:
        value = self.value() if self.peek() == b'"' else None
        if not isinstance(value, str):
            raise self.fault("no key")
        return value

    def _expect(self, byte: bytes) -> None:
        if self.peek() != byte:
            raise self.fault(f"no {byte.decode()!r}")
        self.skip(1)

    def _cut(self) -> tuple[int, bool]:
        """Where in the part an array ends, and True; else where some of its elements do, and False."""
        while True:
            if cut := _last_cut(self._part[self._at :]):
                return self._at + cut[0], cut[1]
            if not self._read():
                self._parsed(b"[" + self._part[self._at :])  # says what is wrong
                raise self.fault("an array without end")

    def _parsed(self, text: bytes) -> Any:
        part = _parsed_or_none(text)
        if part is not None:
            return part
        try:  # numbers that JSON does not have, or a fault
            return json.loads(text.decode("utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{error.msg} at byte {self._before + self._at + error.pos - 1}") from None

    def _read(self) -> bool:
        """Read on, twice as much as is unused; False at the end of the file."""
        unused = self._part[self._at :]
        more = self._file.read(max(_BLOCK, len(unused)))
        if not more:
            return False
        self._before += self._at
        self._part, self._at = unused + more, 0
        return True


def _parsed_or_none(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _last_cut(text: bytes) -> tuple[int, bool] | None:
    """Where the array ends that `text` is inside of, and True; else its last comma, and False; None without either."""
    if b"\\" in text:
        text = _ESCAPED.sub(b"__", text)
    codes = np.frombuffer(text, np.uint8)
    outside = np.bitwise_xor.accumulate(codes == ord('"')) == 0  # of strings
    opened = np.isin(codes, np.frombuffer(b"[{", np.uint8)) & outside
    closed = np.isin(codes, np.frombuffer(b"]}", np.uint8)) & outside
    depth = np.cumsum(opened, dtype=np.int32) - np.cumsum(closed, dtype=np.int32)
    ends = np.flatnonzero(depth < 0)
    if ends.size:
        return int(ends[0]), True
    commas = np.flatnonzero((codes == ord(",")) & outside & (depth == 0))
    return (int(commas[-1]), False) if commas.size else None
