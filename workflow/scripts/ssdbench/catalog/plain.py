"""Records as plain data, in which Snakemake notices every change, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

Record = TypeVar("Record")


def as_plain(value: Any) -> Any:
    """A record of records as dictionaries, lists, text and numbers; paths as text."""
    if is_dataclass(value):
        return {field.name: as_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: as_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: type[Record], plain: Mapping[str, Any]) -> Record:
    """The record of this class that `as_plain` made plain.

    Raises:
        pydantic.ValidationError: the data is not that of such a record.
    """
    from pydantic import TypeAdapter  # here: planning a run needs no more than `as_plain`

    return TypeAdapter(kind).validate_python(dict(plain))
