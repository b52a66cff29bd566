"""Hashes of files and folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_CHUNK = 1 << 20


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


def sha256_text(text: str) -> str:
    """The sha256 of the UTF-8 text as 64 hex digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_files(files: Iterable[str | Path]) -> str:
    """A sha256 of the contents of several files, in the order of their names."""
    return sha256_text("".join(sha256_file(Path(file)) for file in sorted(set(map(str, files)))))


def fingerprint(paths: Iterable[Path]) -> str:
    """A hash of the names, sizes and modification times of files, and of all files in folders.

    No file is opened. A missing path changes the hash too.
    """
    digest = hashlib.sha256()
    for path in paths:
        for file in files_of(path):
            found = f"{file.stat().st_size} {file.stat().st_mtime_ns}" if file.exists() else "missing"
            digest.update(f"{file} {found}\n".encode())
    return digest.hexdigest()
