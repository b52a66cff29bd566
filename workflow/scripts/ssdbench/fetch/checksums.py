"""Trust on first use: a file without a checksum in the registry must always equal its first download."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml

from ssdbench.catalog.registry import RemoteFile
from ssdbench.errors import UserError
from ssdbench.files.disk import disk_errors, locked
from ssdbench.files.reading import read_yaml
from ssdbench.files.writing import write_text

_HEADER = """\
# Checksums of files that have none in the registry, from their first download. Later downloads must match.
"""
_SHA256 = re.compile(r"[0-9a-f]{64}")

Origin = Literal["registry", "first use"]


@dataclass(frozen=True)
class Known:
    """The expected `sha256` in hex and `size` in bytes (None: not stated) of a file, and where they come from."""

    sha256: str
    size: int | None
    origin: Origin


class Checksums:
    """The file resources/checksums.yaml: {key: {sha256, size, url, date}}. Several processes may write it.

    A file's key is its first url, because many files have names such as model.tflite.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, file: RemoteFile) -> Known | None:
        """The expected checksum of `file`, from its registry row or else from its first download; None without either.

        Raises:
            UserError: checksums.yaml does not have the form that this class writes.
        """
        if file.sha256 is not None:
            return Known(file.sha256.lower(), file.size, "registry")
        row = self._rows().get(_key(file))
        return None if row is None else Known(row["sha256"], row["size"], "first use")

    def hold(self, file: RemoteFile, sha256: str, size: int, url: str) -> Origin:
        """Check a file that was fetched from `url` against its known checksum; record its checksum if none is known.

        Raises:
            UserError: `sha256` is not the known one.
        """
        with disk_errors(self._path), locked(self._path):
            known = self.known(file)
            if known is None:
                row = {"sha256": sha256, "size": size, "url": url, "date": f"{datetime.now(UTC):%Y-%m-%d}"}
                rows = {**self._rows(), _key(file): row}
                write_text(self._path, _HEADER + yaml.safe_dump(rows, sort_keys=True))
                return "first use"
        if known.sha256 != sha256:
            raise UserError(f"{file.name} from {url} {self.mismatch(file, known, sha256)}.")
        return known.origin

    def mismatch(self, file: RemoteFile, known: Known, sha256: str) -> str:
        """What is wrong with `file`, as the end of a sentence: its hash is `sha256` and not the known one."""
        if known.origin == "registry":
            return (
                f"has sha256 {sha256}, but the registry row says {known.sha256} "
                "(if the file was changed on purpose, overlay its row through `registries`)"
            )
        return (
            f"has sha256 {sha256}, but its first download had {known.sha256} "
            f"(if the file was changed on purpose, delete the row {_key(file)} in {self._path})"
        )

    def _rows(self) -> dict[str, dict[str, Any]]:
        remedy = "Repair it, or delete it to trust the next downloads."
        if not self._path.exists():
            return {}
        try:
            rows = read_yaml(self._path)
        except UserError as error:
            raise UserError(f"{error} {remedy}") from error
        if not isinstance(rows, dict) or not all(_is_row(row) for row in rows.values()):
            raise UserError(
                f"{self._path} is not a mapping of address to sha256 (64 hex digits), size, url, date. {remedy}"
            )
        return rows


def _key(file: RemoteFile) -> str:
    return file.urls[0] if file.urls else file.name


def _is_row(row: object) -> bool:
    return (
        isinstance(row, dict)
        and isinstance(row.get("sha256"), str)
        and _SHA256.fullmatch(row["sha256"]) is not None
        and type(row.get("size")) is int
    )
