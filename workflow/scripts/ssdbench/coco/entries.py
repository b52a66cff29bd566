"""Entries of files from outside: checked one by one, with the words for what is wrong with one."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ssdbench.errors import UserError

LARGEST_ID = 2**53  # pycocotools passes ids through float64
LARGEST_LENGTH = 1e9

T = TypeVar("T")
Box = tuple[float, float, float, float]


class Fault(Exception):
    """What is wrong with one entry of a file: the words that follow the entry's name."""


def entries_of(
    path: Path, section: str, rows: Sequence[Any], build: Callable[[dict[str, Any]], T], first: int = 0
) -> Iterator[T]:
    """Yield what `build` makes of each row; `first` is the index of the first.

    Raises:
        UserError: a row is no object, or `build` finds a fault in it; the message names file and entry.
    """
    for index, row in enumerate(rows, first):
        try:
            if not isinstance(row, dict):
                raise Fault(f" is {shown(row)}, not an object")
            yield build(row)
        except Fault as fault:
            raise UserError(f"{path}: {section}[{index}]{fault}. Correct or remove this entry.") from None


def value_of(row: Mapping[str, Any], key: str) -> Any:
    try:
        return row[key]
    except KeyError:
        raise Fault(f" lacks the key {key!r}") from None


def id_of(row: Mapping[str, Any], key: str) -> int:
    value = value_of(row, key)
    if type(value) is not int or not -LARGEST_ID < value < LARGEST_ID:
        raise Fault(f".{key} is {shown(value)}, not a whole number")
    return value


def text_of(row: Mapping[str, Any], key: str) -> str:
    value = value_of(row, key)
    try:
        if isinstance(value, str) and value.encode("utf-8") and "\0" not in value:
            return value
    except UnicodeEncodeError:
        pass
    raise Fault(f".{key} is {shown(value)}, not a text")


def box_of(row: Mapping[str, Any]) -> Box:
    box = value_of(row, "bbox")
    if isinstance(box, list) and len(box) == 4:
        x, y, width, height = box
        if all(type(v) in (int, float) and -LARGEST_LENGTH <= v <= LARGEST_LENGTH for v in box):
            return (float(x), float(y), float(width), float(height))
    raise Fault(f".bbox is {shown(box)}, not four finite numbers x, y, width, height")


def shown(value: Any) -> str:
    return reprlib.repr(value)
