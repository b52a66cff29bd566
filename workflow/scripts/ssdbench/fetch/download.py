"""Downloads over http and https: streamed, resumed, retried and verified; a file appears whole or not at all."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3

from ssdbench.catalog.registry import RemoteFile
from ssdbench.errors import UserError
from ssdbench.fetch.checksums import Checksums, Origin
from ssdbench.files.disk import disk_errors, locked, megabytes, require_room
from ssdbench.files.hashing import sha256_file
from ssdbench.jobs.progress import Progress

_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 18
_REDIRECTS = 5
_SLOWEST = 1024  # bytes a second; a download that is slower for a whole `read` timeout counts as stalled
_PROGRESS = 1 << 20  # an attempt that brings this many new bytes does not count as fruitless
_LONGEST_WAIT = 60.0
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REMEDY = (
    "Check the network and run again (what arrived is kept), or name another source with `mirror` or "
    "in a file of `registries`."
)

Check = Callable[[Path], str]


@dataclass(frozen=True)
class Patience:
    """When a download gives up.

    attempts: how many may be fruitless in a row at one url. backoff: seconds; the wait before attempt n + 1 is random
    between 0 and backoff * 2^(n - 1), and at most 60. connect, read: seconds to wait for an answer, for data.
    """

    attempts: int = 5
    backoff: float = 1.0
    connect: float = 10.0
    read: float = 60.0


PATIENCE = Patience()


@dataclass(frozen=True)
class Fetched:
    """A verified file in its place; `origin` says where its checksum comes from."""

    path: Path
    size: int
    sha256: str
    origin: Origin


class _Broken(Exception):
    """The attempt failed, but the same url may succeed later."""


class _Refused(Exception):
    """The url cannot serve the file, however often it is asked."""


def fetch(
    file: RemoteFile,
    destination: Path,
    checksums: Checksums,
    mirror: str | None = None,
    patience: Patience = PATIENCE,
) -> Fetched:
    """Verify the file at `destination`, or fetch it from the first url that serves it.

    Bytes are written to `<destination>.part`, which a later call resumes, and which is renamed once size and sha256
    agree. Parallel calls with the same destination wait for each other.

    Raises:
        UserError: no url serves the right file, or it cannot be written.
    """
    with disk_errors(destination), locked(destination):
        known = checksums.known(file)
        size = file.size if file.size is not None or known is None else known.size
        if destination.exists():
            sha256 = sha256_file(destination)
            if (known is None or sha256 == known.sha256) and size in (None, destination.stat().st_size):
                origin = checksums.hold(file, sha256, destination.stat().st_size, "a file already in place")
                return Fetched(destination, destination.stat().st_size, sha256, origin)
            _LOG.warning("%s is not the expected file %s and is fetched again.", destination, file.name)

        def check(part: Path) -> str:
            found = sha256_file(part)
            return "" if known is None or found == known.sha256 else checksums.mismatch(file, known, found)

        part = destination.with_name(destination.name + ".part")
        with new_session() as session:
            transfer = Transfer(file.name, part, size, check, patience, session, trusted=known is not None)
            url = transfer.run(urls_of(file.name, file.urls, mirror))
        sha256, arrived = known.sha256 if known else sha256_file(part), part.stat().st_size
        # Recorded before the rename: after a kill in between, the next run finds the complete part and its checksum.
        origin = checksums.hold(file, sha256, arrived, url)
        part.replace(destination)
        return Fetched(destination, arrived, sha256, origin)


def urls_of(name: str, urls: Iterable[str], mirror: str | None) -> tuple[str, ...]:
    """The urls to ask for the file `name`: `urls` as they are, or each of them at `mirror`.

    A mirror has a folder for each host: with the mirror `http://127.0.0.1:8000`,
    http://images.cocodataset.org/zips/val2017.zip becomes
    http://127.0.0.1:8000/images.cocodataset.org/zips/val2017.zip.

    Raises:
        UserError: a url is not an http or https url, or holds a user name.
    """
    asked = dict.fromkeys(urls)
    for url in [*asked, *([mirror] if mirror else [])]:
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"{name}: {url} is not an http or https url. Correct it in the registry or in `mirror`.")
        if "@" in parts.netloc:
            raise UserError(f"{name}: the url at {parts.hostname} contains a user name. Move it to ~/.netrc.")
    if not asked:
        raise UserError(f"{name} has no url. Add one to its registry row through `registries`.")
    if not mirror:
        return tuple(asked)
    return tuple(f"{mirror.rstrip('/')}/{url.split('://', 1)[1]}" for url in asked)


class Transfer:
    """Fetches one file into `part`.

    size: in bytes, if known. check: returns what is wrong with a complete part, or "". trusted: the check proves the
    content, so a part of unknown origin may be resumed. limit: refuse more bytes than this. quiet: show no progress.
    """

    def __init__(
        self,
        name: str,
        part: Path,
        size: int | None,
        check: Check,
        patience: Patience,
        session: requests.Session,
        *,
        trusted: bool,
        limit: int | None = None,
        quiet: bool = False,
    ) -> None:
        self._name, self._part, self._size, self._check = name, part, size, check
        self._patience, self._trusted, self._limit, self._quiet = patience, trusted, limit, quiet
        self._session = session
        self._validators: dict[str, str] = {}
        self._resumed = False
        self._furthest = 0

    def run(self, urls: Iterable[str]) -> str:
        """Ask each url in turn until the part is complete and right; return the url that served it.

        Raises:
            UserError: no url served it.
        """
        reasons = []
        for url in urls:
            try:
                self._retrying()(self._attempt, url)
                return url
            except (_Broken, _Refused) as error:
                reasons.append(f"{url} {error}")
                _LOG.warning("%s: %s %s.", self._name, url, error)
        raise UserError(f"{self._name} could not be fetched: {'; '.join(reasons)}. {_REMEDY}")

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Broken),
            stop=tenacity.stop_after_attempt(self._patience.attempts),
            wait=tenacity.wait_random_exponential(multiplier=self._patience.backoff, max=_LONGEST_WAIT),
            before_sleep=self._say,
            reraise=True,
        )

    def _say(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        _LOG.info("%s: %s %s; trying again in %.1f s", self._name, state.args[0], error, state.upcoming_sleep)

    def _attempt(self, url: str) -> None:
        while True:
            before = self._furthest
            try:
                self._receive(url)
                break
            except _Broken as error:
                if self._furthest - before < _PROGRESS:
                    raise
                _LOG.info("%s: %s %s; resuming.", self._name, url, error)
        if fault := self._check(self._part):
            self._part.unlink()
            # Pieces of two files may have been joined: only a file that came in one piece proves that the url is wrong.
            raise _Broken(fault) if self._resumed else _Refused(fault)

    def _receive(self, url: str) -> None:
        have = self._part.stat().st_size if self._part.exists() else 0
        if self._trusted and have == self._size:
            self._resumed = True
            return
        headers = {}
        if have and (self._trusted or url in self._validators) and (self._size is None or have < self._size):
            headers["Range"] = f"bytes={have}-"
            if not self._trusted:
                headers["If-Range"] = self._validators[url]
        timeout = (self._patience.connect, self._patience.read)
        try:
            response = self._session.get(url, headers=headers, stream=True, timeout=timeout)
        except requests.RequestException as error:
            raise _fault(error, self._patience) from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _Refused(f"cannot be asked ({_reason(error)})") from error
        with response:
            start, total = self._start(response, have if headers else 0)
            if validator := _validator(response):
                self._validators[url] = validator
            else:
                self._validators.pop(url, None)
            require_room(self._part.parent, (total or 0) - start, self._name)
            try:
                self._write(response, start, total)
            except urllib3.exceptions.HTTPError as error:
                raise _Broken(f"broke off ({_reason(error)})") from error

    def _start(self, response: requests.Response, asked: int) -> tuple[int, int | None]:
        """The byte at which the response begins, and the length of the whole file if it is stated."""
        status = response.status_code
        if status in _TRANSIENT:
            raise _Broken(f"answered {status}")
        if status == 416 and asked:
            self._part.unlink()
            raise _Broken("has no bytes after those fetched before")
        length = response.headers.get("Content-Length", "")
        if status == 206 and asked:
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != asked:
                self._part.unlink()
                raise _Broken("answered with another range than was asked for")
            return self._agreed(asked, int(match[2]))
        if status == 200:
            return self._agreed(0, int(length) if length.isdecimal() else None, _chunked(response))
        raise _Refused(f"answered {status}")

    def _agreed(self, start: int, total: int | None, chunked: bool = False) -> tuple[int, int | None]:
        if total is None and self._size is None and not self._trusted and not chunked:
            raise _Refused("does not say how long the file is, so a break could not be noticed")
        if total is not None and self._size is not None and total != self._size:
            raise _Refused(f"has {total} bytes instead of {self._size}")
        return start, total

    def _write(self, response: requests.Response, start: int, total: int | None) -> None:
        self._resumed = start > 0
        end = self._size if self._size is not None else total
        most = min(bound for bound in (end, self._limit, 1 << 62) if bound is not None)
        progress = None if self._quiet else Progress(self._name, end, "B")
        have, pace, since = start, 0, time.monotonic()
        try:
            if progress is not None and start:
                progress.advance(start)
            with self._part.open("ab" if start else "wb") as file:
                # Undecoded bytes: a .tar.gz must not be unpacked because a server labels it as encoded.
                while chunk := response.raw.read1(_CHUNK, decode_content=False):
                    have, pace = have + len(chunk), pace + len(chunk)
                    if have > most:
                        raise _Refused(f"sends more than {megabytes(most)}")
                    file.write(chunk)
                    self._furthest = max(self._furthest, have)
                    if progress is not None:
                        progress.advance(len(chunk))
                    if (now := time.monotonic()) - since > self._patience.read:
                        if pace < _SLOWEST * (now - since):
                            raise _Broken(f"sends less than {_SLOWEST} bytes a second")
                        pace, since = 0, now
                file.flush()
                os.fsync(file.fileno())
        finally:
            if progress is not None:
                progress.close()
        if end is not None and have < end:
            raise _Broken(f"broke off after {have} of {end} bytes")


def new_session() -> requests.Session:
    """A session that follows few redirects and asks for unencoded bytes; threads may share it."""
    session = requests.Session()
    session.max_redirects = _REDIRECTS
    session.headers.update({"Accept-Encoding": "identity", "User-Agent": "ssdbench"})
    return session


def _validator(response: requests.Response) -> str:
    """The value for If-Range: a strong ETag, else the date of the last change, else ""."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def _chunked(response: requests.Response) -> bool:
    return response.headers.get("Transfer-Encoding", "").lower() == "chunked"


def _fault(error: requests.RequestException, patience: Patience) -> _Broken | _Refused:
    if isinstance(error, requests.TooManyRedirects):
        return _Refused(f"redirects more than {_REDIRECTS} times")
    if isinstance(error, ValueError):  # requests' own kinds of it: InvalidSchema, InvalidURL ...
        return _Refused("redirects to something that is not an http or https url")
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return _Refused("shows a certificate that is not trusted (REQUESTS_CA_BUNDLE can name its authority)")
    if isinstance(error, requests.ConnectTimeout):
        return _Broken(f"did not answer within {patience.connect:g} s")
    if isinstance(error, requests.ReadTimeout):
        return _Broken(f"sent nothing for {patience.read:g} s")
    return _Broken(f"cannot be reached ({_reason(error)})")


def _reason(error: BaseException) -> str:
    """The message of the exception at the root of `error`; of an error of the system, its description."""
    root = error
    while (earlier := root.__cause__ or root.__context__) is not None:
        root = earlier
    words = root.strerror if isinstance(root, OSError) else None
    return words or str(root) or type(root).__name__
