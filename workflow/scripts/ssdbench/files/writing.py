"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ssdbench.errors import UserError
from ssdbench.files.disk import full_disk

_CHUNK = 1 << 20


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced and renamed to `path`, else removed.

    Raises:
        UserError: the disk is full.
    """
    with full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 would lock out the other users of a shared folder
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` atomically."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any, indent: int | None = 1) -> None:
    """Write `value` as strict JSON (no NaN) to `path` atomically; the same value gives the same bytes.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing, unreadable or not JSON.
    """
    with json_errors(path):
        return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def json_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a JSON file is read into a UserError: it is missing, unreadable or not JSON."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, or an absurd number
        raise UserError(f"{path} is not JSON: {error}. Delete it, or give another file.") from error


def sha256_file(path: Path) -> str:
    """The file's sha256 as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def files_of(path: Path) -> list[Path]:
    """The file itself, or every file below a folder, in the order of their names."""
    return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def sha256_path(path: Path) -> str:
    """The sha256 of a file, or one over the names and contents of a folder's files."""
    if not path.is_dir():
        return sha256_file(path)
    return sha256_text("".join(f"{file.relative_to(path)} {sha256_file(file)}\n" for file in files_of(path)))


def copy_path(source: Path, destination: Path) -> None:
    """Copy a file or a folder; a folder that was there goes, and the new one appears whole."""
    if not source.is_dir():
        write_bytes(destination, source.read_bytes())
        return
    destination.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=destination.parent, prefix=f".{destination.name}.") as folder:
        copy = Path(shutil.copytree(source, Path(folder) / destination.name))
        if destination.is_dir():
            destination.replace(Path(folder) / "old")
        copy.replace(destination)


def sha256_text(text: str) -> str:
    """The sha256 of the UTF-8 text as 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_files(files: Iterable[str | Path]) -> str:
    """One sha256 over the contents of several files, in the order of their names."""
    return sha256_text("".join(sha256_file(Path(file)) for file in sorted(set(map(str, files)))))


def fingerprint(paths: Iterable[Path]) -> str:
    """A hash that changes when one of the files (or a file in one of the folders) does: name, size, mtime.

    Files only, folders are walked. A missing path counts as such; nothing is opened.
    """
    digest = hashlib.sha256()
    for path in paths:
        for file in files_of(path):
            found = f"{file.stat().st_size} {file.stat().st_mtime_ns}" if file.exists() else "missing"
            digest.update(f"{file} {found}\n".encode())
    return digest.hexdigest()
