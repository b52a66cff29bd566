"""JSON files from outside, read into typed rows: in any Unicode encoding, with NaN, and with clear faults."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from ssdbench.errors import UserError
from ssdbench.files.reading import json_errors

T = TypeVar("T")

_OTHER_FILES = {
    b"PK\x03\x04": "a zip archive. Unpack it, and give the JSON file inside",
    b"\x1f\x8b": "compressed with gzip. Unpack it, and give the JSON file inside",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself. Run `git lfs pull` where it comes from",
}


def decode_file(path: Path, form: type[T]) -> T:
    """The content of a JSON file as a record; keys that the record does not have are skipped.

    NaN and Infinity, which Python writes, are read as numbers.

    Raises:
        UserError: the file is missing, unreadable, not JSON or not of this form.
    """
    text = file_text(path)
    with json_errors(path):
        try:
            return msgspec.json.decode(text, type=form)
        except msgspec.ValidationError as error:
            raise _misfit(path, error) from None
        except msgspec.DecodeError:  # numbers and characters that JSON does not have, or a fault that json words better
            content = json.loads(bytes(text))
        try:
            return msgspec.convert(content, form)
        except msgspec.ValidationError as error:
            raise _misfit(path, error) from None


def file_text(path: Path) -> bytes | memoryview:
    """The text of a JSON file in UTF-8; the file may be in UTF-16 or UTF-32, too, and with a byte order mark.

    Raises:
        UserError: the file is missing, unreadable or not text.
    """
    with json_errors(path):
        return _utf8(path.read_bytes(), path)


def _misfit(path: Path, error: msgspec.ValidationError) -> UserError:
    """What msgspec says of a value of another type: "Expected `array`, got `object` - at `$.images`"."""
    words = re.fullmatch(r"Expected `(?P<wanted>.+?)`, got `(?P<found>.+?)`( - at `\$\.?(?P<place>.*)`)?", str(error))
    if words is None:
        return UserError(f"{path}: {error}.")
    place = words["place"] or "the whole file"
    return UserError(f"{path}: {place} is {words['found']} in JSON, not {words['wanted']}. Correct it.")


def _utf8(data: bytes, path: Path) -> bytes | memoryview:
    """The file's text in UTF-8, without a byte order mark."""
    for first, what in _OTHER_FILES.items():
        if data.startswith(first):
            raise UserError(f"{path} is {what}.")
    encoding = json.detect_encoding(data)
    if encoding == "utf-8-sig":
        return memoryview(data)[3:]
    try:
        if encoding != "utf-8":
            return data.decode(encoding).encode("utf-8", "surrogatepass")
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        start, end = max(error.start - 20, 0), error.start + 20
        around = data[start:end].decode("latin-1" if encoding == "utf-8" else encoding, "replace")
        raise UserError(
            f"{path} is not text in {encoding.upper()}: byte {error.start} is 0x{data[error.start]:02x}, in "
            f"{around!r}. Open it in the program that wrote it (Windows' own encodings, such as Windows-1252, are the "
            "likely ones) and save it as UTF-8."
        ) from None
    return data
