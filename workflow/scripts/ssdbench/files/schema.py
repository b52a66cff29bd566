"""Checks YAML documents against their schemas, and fills in defaults."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

import jsonschema

from ssdbench.errors import UserError
from ssdbench.files.reading import read_yaml


def validate(document: Any, schema: Path, name: str) -> None:
    """Check a document against a JSON Schema (2020-12) file.

    Raises:
        UserError: it does not fit. The message names the key of the first fault, what was found and what is allowed.
    """
    validator = _VALIDATOR(read_yaml(schema))
    faults = sorted(validator.iter_errors(document), key=lambda fault: [str(part) for part in fault.path])
    if faults:
        raise UserError(f"{name}: {_sentence(faults[0])}")


def _matches(
    validator: Any, pattern: str, instance: object, schema: Mapping[str, Any]
) -> Iterator[jsonschema.ValidationError]:
    """The rule `pattern`, with a `$` that matches only at the end of the text: Python's also matches before a last
    line break.
    """
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_VALIDATOR: Any = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": _matches}
)


def _sentence(fault: jsonschema.ValidationError) -> str:
    """A sentence about a schema fault: the key, what is wrong with it, what is allowed."""
    key = ".".join(str(part) for part in fault.path) or "the document"
    rule: Any = fault.validator_value
    if fault.validator == "additionalProperties" and isinstance(fault.instance, Mapping):
        allowed = sorted(cast(Mapping[str, Any], fault.schema).get("properties", {}))
        unknown = min(str(name) for name in fault.instance if name not in allowed)
        close = get_close_matches(unknown, allowed, n=1)
        where = f" in {key}" if fault.path else ""
        hint = f" Did you mean {close[0]!r}?" if close else ""
        return f"unknown key {unknown!r}{where}.{hint} Known keys: {', '.join(allowed)}."
    if fault.validator == "enum":
        return f"{key} is {fault.instance!r}; allowed are {', '.join(map(str, rule))}."
    if fault.validator == "required":
        missing = next(name for name in rule if name not in cast(Mapping[str, Any], fault.instance))
        return f"{key} lacks the key {missing!r}."
    if fault.validator == "type":
        return (
            f"{key} is {fault.instance!r}, which is not of type {rule if isinstance(rule, str) else ' or '.join(rule)}."
        )
    return f"{key}: {fault.message}."


def with_numbers(document: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> Any:
    """A copy of a document in which text stands for a number wherever the schema wants one and takes no text.

    `snakemake --config 'timing={"seconds": 1}'` hands on what is inside a mapping as text.
    """
    known = schema.get("$defs", {}) if definitions is None else definitions
    part = known[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if isinstance(document, Mapping):
        parts = part.get("properties", {})
        return {key: with_numbers(value, parts.get(key, {}), known) for key, value in document.items()}
    if isinstance(document, list):
        return [with_numbers(value, part.get("items", {}), known) for value in document]
    kinds, values = part.get("type", []), part.get("enum", [])
    wants_number = not {"integer", "number"}.isdisjoint([kinds] if isinstance(kinds, str) else kinds)
    number = _number(document) if isinstance(document, str) else document
    return number if wants_number or (number in values and document not in values) else document


def _number(text: str) -> int | float | str:
    """The number that a text is; the text if it is none."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        return number if math.isfinite(number) else text
    return text


def with_defaults(document: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a document with the schema's defaults for the keys that it lacks."""
    filled = copy.deepcopy(dict(document))
    for key, part in schema.get("properties", {}).items():
        if key not in filled and "default" in part:
            filled[key] = copy.deepcopy(part["default"])
        if part.get("type") == "object" and isinstance(filled.get(key), Mapping):
            filled[key] = with_defaults(filled[key], part)
    return filled
