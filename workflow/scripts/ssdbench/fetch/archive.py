"""Unpacks chosen members of a .zip or .tar.gz; none can be written outside the folder or fill the disk.

tarfile's filter "data" is not used: it knows no zip, unpacks links, and takes some of the names that are refused here.
"""

from __future__ import annotations

import gzip
import lzma
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ssdbench.errors import UserError
from ssdbench.files.disk import disk_errors, megabytes, require_room
from ssdbench.files.writing import atomic_path
from ssdbench.jobs.progress import track

_CHUNK = 1 << 20
_MAX_MEMBERS = 300_000  # of a tar; the list of a zip's members is no larger than the zip
_MAX_BYTES = 64 << 30
# COCO's JSON packs 8:1. An archive that unpacks to 200 times its size, and to more than 64 MB, is a bomb.
_MAX_RATIO, _SMALL = 200, 64 << 20
_ODD = re.compile(r"[\x00-\x1f\x7f\\]|^[A-Za-z]:")
# What the readers raise if the bytes are damaged.
_DAMAGE = (
    EOFError,
    LookupError,
    OSError,  # seeks to impossible places; gzip.BadGzipFile. Errors of writing have their own sentences
    OverflowError,
    RuntimeError,  # encrypted members; NotImplementedError: unknown compression
    ValueError,
    lzma.LZMAError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)

Wanted = Collection[str] | Callable[[str], bool]


@dataclass(frozen=True)
class _Member:
    name: str
    plain: bool
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path, folder: Path, wanted: Wanted, *, flat: bool = False, max_bytes: int = _MAX_BYTES
) -> dict[str, Path]:
    """Unpack the wanted members into `folder`; return {member name: file}.

    All wanted members are checked before the first is written, and each file appears whole or not at all. Other
    members are ignored, whatever they are.

    Args:
        archive: a .zip or .tar.gz; its first bytes say which.
        folder: where the files go; made if it is missing.
        wanted: the names of members, which must all be there, or a predicate on the names of members (no folders).
        flat: put all files directly into `folder`, without the members' folders.
        max_bytes: write no more than this, and no more than 200 times the archive's size (at least 64 MB).

    Raises:
        UserError: the archive is damaged or lacks a wanted member; a wanted member would leave the folder, is not a
            plain file, comes twice or is too large; or the disk is full.
    """
    with _opened(archive, max_bytes) as (members, limit):
        chosen = _chosen(archive, members, wanted)
        targets = _targets(archive, folder, chosen, flat)
        total = sum(member.size for member in chosen)
        if total > limit:
            raise _too_large(archive, limit)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        require_room(folder, total, f"Unpacking {archive.name}")
        for member in track(chosen, f"unpacking {archive.name}", len(chosen), "files"):
            _write(archive, member, targets[_key(member.name)])
    return targets


def plain_name(name: str) -> PurePosixPath | None:
    """The relative path that a name from outside states, if it is plain; else None.

    A leading `./` is dropped. A plain path is not absolute and has no `..`, backslash, drive letter or control
    character, so when it is joined to a folder it stays in that folder.
    """
    path = PurePosixPath(name)
    too_long = any(len(part.encode("utf-8", "replace")) > 255 for part in path.parts)
    if path.is_absolute() or not path.parts or ".." in path.parts or _ODD.search(name) or too_long:
        return None
    return path


@contextmanager
def _opened(archive: Path, max_bytes: int) -> Iterator[tuple[list[_Member], int]]:
    """The members of an archive, which stays open meanwhile, and how many bytes may be unpacked from it."""
    try:
        size = archive.stat().st_size
        with archive.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise UserError(f"Archive {archive} cannot be read: {error.strerror}. Fetch it again.") from error
    limit = min(max_bytes, max(_SMALL, _MAX_RATIO * size))
    try:
        if magic.startswith(b"PK"):
            with zipfile.ZipFile(archive) as opened:
                yield (
                    [_zip_member(opened, info) for info in opened.infolist() if not info.filename.endswith("/")],
                    limit,
                )
        elif magic.startswith(b"\x1f\x8b"):
            with _BoundedGzip(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                yield _tar_members(archive, stream, tar, limit), limit
        else:
            raise UserError(f"{archive} is neither a .zip nor a .tar.gz. Fetch it again, or give another file.")
    except _DAMAGE as error:
        raise UserError(f"Archive {archive} is damaged or cut off ({error}). Delete it and run again.") from error


def _zip_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return _Member(info.filename, kind in (0, stat.S_IFREG), info.file_size, lambda: opened.open(info))


def _tar_members(archive: Path, stream: _BoundedGzip, tar: tarfile.TarFile, limit: int) -> list[_Member]:
    members = []
    for number, info in enumerate(tar):
        # Members that nobody wants are decompressed too.
        if info.size < 0:
            raise ValueError(f"{info.name!r} has a negative size")
        if number > _MAX_MEMBERS or info.offset_data + info.size > limit:
            raise _too_large(archive, limit)
        if not info.isdir():
            members.append(_tar_member(tar, info))
    # A tar has no checksum of its contents, but gzip has one at its end: read up to it before trusting anything.
    while stream.read(_CHUNK):
        if stream.tell() > limit:
            raise _too_large(archive, limit)
    return members


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    plain = info.isreg() and not info.issparse()
    return _Member(info.name, plain, info.size, lambda: tar.extractfile(info))


class _BoundedGzip(gzip.GzipFile):
    """A gzip stream that refuses to read a huge piece at once, as a tar's extended headers can ask for."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= 64 * _CHUNK:
            raise ValueError("a header of impossible size")
        return super().read(size)


def _chosen(archive: Path, members: list[_Member], wanted: Wanted) -> list[_Member]:
    if callable(wanted):
        return [member for member in members if wanted(_key(member.name))]
    keys = {_key(name) for name in wanted}
    chosen = [member for member in members if _key(member.name) in keys]
    missing = sorted(keys - {_key(member.name) for member in chosen})
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"Archive {archive} has no member {missing[0]!r}{others}. "
            "Correct the member in the registry, or give the archive that holds it."
        )
    return chosen


def _key(name: str) -> str:
    """A member's name without the `./` that every name of many tars begins with."""
    return name.removeprefix("./")


def _targets(archive: Path, folder: Path, members: list[_Member], flat: bool) -> dict[str, Path]:
    root = folder.resolve()
    targets: dict[str, Path] = {}
    taken: set[Path] = set()
    inside: set[Path] = set()
    for member in members:
        path = plain_name(member.name)
        if path is None:
            raise _refused(archive, member, "would be written outside its folder")
        if not member.plain:
            raise _refused(archive, member, "is a link or a device and not a plain file")
        target = folder / (path.name if flat else path)
        if target.parent not in inside and not target.parent.resolve().is_relative_to(root):
            raise _refused(archive, member, "would be written through a link that leaves its folder")
        if target in taken:
            raise _refused(archive, member, "comes twice")
        inside.add(target.parent)
        taken.add(target)
        targets[_key(member.name)] = target
    for member in members:
        if any(parent in taken for parent in targets[_key(member.name)].parents):
            raise _refused(archive, member, "is both a file and a folder")
    return targets


def _write(archive: Path, member: _Member, target: Path) -> None:
    """Write one member. The limits were checked against its stated size, so any other size is an error."""
    source = member.open()
    if source is None:
        raise _refused(archive, member, "is not a plain file")
    left = member.size
    with source, disk_errors(target), atomic_path(target) as temporary, temporary.open("wb") as file:
        for chunk in _chunks(source):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
        if left != 0:
            raise EOFError(f"{member.name!r} does not have the size that its header states")


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    try:
        while chunk := source.read(_CHUNK):
            yield chunk
    except OSError as error:  # an error of the archive, not of the disk that is written to
        raise EOFError(str(error)) from error


def _refused(archive: Path, member: _Member, why: str) -> UserError:
    return UserError(
        f"Archive {archive}: member {member.name!r} {why}, so nothing of it was unpacked. "
        "Do not use this archive, or take one whose members are plain files."
    )


def _too_large(archive: Path, limit: int) -> UserError:
    return UserError(
        f"Archive {archive} unpacks to more than {megabytes(limit)}, which is implausible for its size. "
        "Do not use this archive."
    )
