"""Entries of files from outside: checked one by one, with the words for what is wrong with one."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec import UNSET

from ssdbench.errors import UserError

LARGEST_ID = 2**53  # pycocotools passes ids through float64
LARGEST_LENGTH = 1e9

T = TypeVar("T")
Box = tuple[float, float, float, float]


class Fault(Exception):
    """What is wrong with one entry of a file: the words that follow the entry's name."""


def entries_of(path: Path, section: str, rows: Sequence[Any], build: Callable[[Any], T], first: int = 0) -> Iterator[T]:
    """Yield what `build` makes of each row, a record with an attribute for each key; `first` is the index of the first.

    Raises:
        UserError: `build` finds a fault in a row; the message names file and entry.
    """
    for index, row in enumerate(rows, first):
        try:
            yield build(row)
        except Fault as fault:
            raise UserError(f"{path}: {section}[{index}]{fault}. Correct or remove this entry.") from None


def column_id(number: int) -> int:
    """The number that stands for an id in arrays of int64: the id itself, or for a larger one part of its sha256.

    Files keep the id itself. Two of 100 000 ids share a number with a probability of one in a million, and then the
    second is refused as a duplicate.
    """
    if -LARGEST_ID < number < LARGEST_ID:
        return number
    half = LARGEST_ID // 2
    return half + int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8]) % half


def value_of(row: Any, key: str) -> Any:
    value = getattr(row, key)
    if value is UNSET:
        raise Fault(f" lacks the key {key!r}")
    return value


def id_of(row: Any, key: str) -> int:
    """A whole number of any size; pandas and NumPy write it with a decimal point."""
    value = value_of(row, key)
    if type(value) is int:
        return value
    if type(value) is not float or not value.is_integer():
        raise Fault(f".{key} is {shown(value)}, not a whole number")
    if abs(value) >= LARGEST_ID:
        raise Fault(f".{key} is {value!r}, which a decimal point has made inexact: write the id as a whole number")
    return int(value)


def text_of(row: Any, key: str) -> str:
    value = value_of(row, key)
    try:
        if isinstance(value, str) and value.encode("utf-8") and "\0" not in value:
            return value
    except UnicodeEncodeError:
        pass
    raise Fault(f".{key} is {shown(value)}, not a text")


def box_of(row: Any) -> Box:
    box = value_of(row, "bbox")
    if isinstance(box, list) and len(box) == 4:
        x, y, width, height = box
        if all(type(v) in (int, float) and -LARGEST_LENGTH <= v <= LARGEST_LENGTH for v in box):
            return (float(x), float(y), float(width), float(height))
    raise Fault(f".bbox is {shown(box)}, not four finite numbers x, y, width, height")


def shown(value: Any) -> str:
    return reprlib.repr(value)
