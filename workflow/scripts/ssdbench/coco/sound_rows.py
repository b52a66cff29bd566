"""Rows of a JSON file that have no fault, read as columns at once. Whatever is unusual is left to a slower reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from ssdbench.arrays import Float64, Int64
from ssdbench.coco.entries import LARGEST_ID

T = TypeVar("T")

# A number in MessagePack: the byte that says so, and a float64.
_NUMBER = np.dtype({"names": ["value"], "formats": [">f8"], "offsets": [1], "itemsize": 9})


class SoundBox(msgspec.Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    """The four numbers of a box."""

    x: float
    y: float
    width: float
    height: float


class Unusual(Exception):
    """What only the slower reader understands, or explains."""


def decode_sound(text: bytes | memoryview, form: type[T]) -> T:
    """The content of JSON text as a record, in which rows are structs of floats and boxes.

    Raises:
        Unusual: the text is not JSON, or not of this form.
    """
    try:
        return msgspec.json.decode(text, type=form)
    except (msgspec.DecodeError, RecursionError):
        raise Unusual from None


def columns(form: type[msgspec.Struct], parts: Iterable[Sequence[msgspec.Struct]], most: int) -> dict[str, Float64]:
    """All rows of some lists as columns by key: float64 [N], or float64 [N, 4] of boxes.

    MessagePack writes each float in nine bytes. So rows are equally long there, and NumPy reads a list of them at once,
    in half the time of a loop over the rows.

    Args:
        form: of the rows. most: there are at most this many rows; memory beyond the last one is set aside, not used.
    """
    layout = _layout(form)
    found = {name: np.empty((most, *layout[name].shape)) for name in layout.names or ()}
    count = 0
    for rows in parts:
        text = msgspec.msgpack.encode(rows)
        records = np.frombuffer(text, layout, len(rows), len(text) - len(rows) * layout.itemsize)
        for name, column in found.items():
            column[count : count + len(rows)] = records[name]["value"]
        count += len(rows)
    return {name: column[:count] for name, column in found.items()}


def ids(values: Float64) -> Int64:
    """Ids that were read as floats, as int64; pandas and NumPy write them with a decimal point.

    Raises:
        Unusual: one is not a whole number, or is too large for floats to be exact.
    """
    require_within(values, 1 - LARGEST_ID, LARGEST_ID - 1)
    whole = values.astype(np.int64)
    require(whole == values)
    return whole


def require_within(values: Float64, least: float, most: float) -> None:
    """Raise Unusual unless all values lie within these bounds."""
    require(values.min(initial=most) >= least and values.max(initial=least) <= most)


def require(sound: Any) -> None:
    """Raise Unusual unless all of an array of bool are true."""
    if not np.all(sound):
        raise Unusual


def _layout(form: type[msgspec.Struct]) -> np.dtype[np.void]:
    """A row in MessagePack: a byte that says how many keys there are; each key behind a byte, and its value.

    A box has a byte in front of its numbers, too. Keys have up to 31 letters, and rows up to 15 keys.
    """
    names: list[str] = []
    formats: list[np.dtype[Any]] = []
    offsets: list[int] = []
    end = 1
    for key in msgspec.structs.fields(form):
        is_box = key.type is SoundBox
        names.append(key.name)
        formats.append(np.dtype((_NUMBER, 4)) if is_box else _NUMBER)
        offsets.append(end + 1 + len(key.encode_name) + is_box)
        end = offsets[-1] + formats[-1].itemsize
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": end})
