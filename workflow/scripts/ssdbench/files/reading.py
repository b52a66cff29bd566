"""Reads JSON and YAML files; errors name the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ssdbench.errors import UserError
from ssdbench.files.origin import damaged, remedy


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing, unreadable or not JSON.
    """
    with json_errors(path):
        return json.loads(path.read_bytes())  # in UTF-8, UTF-16 or UTF-32, with a byte order mark or without


def read_record(path: Path) -> dict[str, Any]:
    """Read a record that a step of a run wrote: an object with its `status`.

    Raises:
        UserError: the file is missing, unreadable or not one.
    """
    record = read_json(path)
    if not isinstance(record, dict) or record.get("status") not in ("ok", "failed", "unsupported"):
        raise damaged(path, "is not the record of a step")
    return record


@contextmanager
def json_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a JSON file is read into a UserError: it is missing, unreadable or not JSON."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, or a number that is too long
        raise UserError(f"{path} is not JSON: {error}. {remedy(path)}") from error


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: it is missing, unreadable or not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
