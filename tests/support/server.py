"""A web server on 127.0.0.1 that serves a folder with byte ranges, and misbehaves where it is told to.

In a test: `with FileServer(folder) as server: server.faults["/a.zip"] = [Fault("cut", times=1, at=10)]`.
In a shell: `python tests/support/server.py FOLDER --port 8000`.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import ssl
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import unquote, urlsplit

Kind = Literal["cut", "stall", "trickle", "status", "redirect", "wrong_bytes", "wrong_size", "no_range", "no_length"]

# Signed by itself, so nobody trusts it; made for this file and used nowhere else.
_CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZ3TspB9p68QQWwX9
GVyG+KK2rR7O1KpV17X5aDfiLiahRANCAATH/+Dp46d8tF/dqQCFWBKYsqUxqyTp
Nds/aUXenOuSvItnO8xT3awD4xbbab/3TOO1lIrB75R/kLJJ1welpv0X
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUOfMgC30GDBx/SBVgj8NwlmaGPBowCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMjIwMzU0OVoYDzIxMjYxMDI5
MjAzNTQ5WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATH/+Dp46d8tF/dqQCFWBKYsqUxqyTpNds/aUXenOuSvItnO8xT3awD
4xbbab/3TOO1lIrB75R/kLJJ1welpv0Xo2QwYjAdBgNVHQ4EFgQU1ej2sv21hQ/5
RKNTbSqYvkL9AUgwHwYDVR0jBBgwFoAU1ej2sv21hQ/5RKNTbSqYvkL9AUgwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IQD7aZcKgsVLz2/u0Powz1N3qijf6pwsr4OVZPotue02ygIgC3C46pKL+QSjmGBg
FHSgecM5ixvB90F8pBw6baAcKXI=
-----END CERTIFICATE-----
"""


@dataclass
class Fault:
    """One way in which the answers to a path go wrong; of several, the first that has not run out.

    kind: `cut` (close after `at` bytes of the body), `stall` (send nothing more after `at` bytes, until the
    client goes or the server stops), `trickle` (a byte every tenth of a second after `at`), `status` (answer
    `status`), `redirect` (to `to`), `wrong_bytes` (the byte at `at` is flipped), `wrong_size` (the last `at`
    bytes are missing, and the headers agree), `no_range` (ranges are ignored), `no_length` (the end of the
    body is the end of the connection). times: how many answers; None for all.
    """

    kind: Kind
    times: int | None = None
    at: int = 0
    status: int = 503
    to: str = ""


@dataclass(frozen=True)
class Request:
    """One request as it came in, and the status it was answered with."""

    path: str
    range: str
    status: int


class FileServer:
    """Serves `folder` while the `with` block lasts. `faults`: path -> its faults. `log`: requests so far."""

    def __init__(self, folder: Path, port: int = 0, tls: bool = False) -> None:
        self.folder = folder
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        self.log: list[Request] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.files = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
                pem.write(_CERTIFICATE)
                pem.flush()
                context.load_cert_chain(pem.name)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FileServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve in this thread until it is interrupted."""
        self._server.serve_forever()

    def next_fault(self, path: str) -> Fault | None:
        """The fault of the next answer to `path`; counts it."""
        with self._lock:
            for fault in self.faults[path]:
                if fault.times is None:
                    return fault
                if fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def note(self, request: Request) -> None:
        """Append to the log."""
        with self._lock:
            self.log.append(request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    files: FileServer

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away in the middle are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """The log is the list that tests read."""

    def do_GET(self) -> None:
        files, path = self.server.files, unquote(urlsplit(self.path).path)
        fault = files.next_fault(path)
        file = (files.folder / path.lstrip("/")).resolve()
        if fault and fault.kind == "status":
            self._answer(fault.status)
        elif fault and fault.kind == "redirect":
            self._answer(302, {"Location": fault.to})
        elif not file.is_relative_to(files.folder.resolve()) or not file.is_file():
            self._answer(404)
        else:
            self._serve(file, fault)

    def _serve(self, file: Path, fault: Fault | None) -> None:
        body, etag = bytearray(file.read_bytes()), f'"{file.stat().st_mtime_ns:x}-{file.stat().st_size:x}"'
        kind, at = (fault.kind, fault.at) if fault else ("", 0)
        if kind == "wrong_bytes":
            body[at] ^= 0xFF
        if kind == "wrong_size":
            del body[len(body) - at :]
        headers = {"ETag": etag, "Content-Length": str(len(body))}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        status, start = 200, 0
        if asked and kind != "no_range" and self.headers.get("If-Range", etag) == etag:
            start = int(asked[1])
            if start >= len(body):
                return self._answer(416, {"Content-Range": f"bytes */{len(body)}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            headers["Content-Length"] = str(len(body) - start)
        if kind == "no_length":
            del headers["Content-Length"]
            self.close_connection = True
        self._head(status, headers)
        rest = memoryview(body)[start:]
        if kind not in ("cut", "stall", "trickle"):
            self.wfile.write(rest)
            return
        self.close_connection = True
        self.wfile.write(rest[:at])
        while kind == "trickle" and at < len(rest) and not self.server.files.stopped.wait(0.1):
            self.wfile.write(rest[at : at + 1])
            at += 1
        if kind == "stall":
            self._wait_for_the_end()

    def _wait_for_the_end(self) -> None:
        """Say nothing until the client has gone or the server stops."""
        self.connection.settimeout(0.05)
        while not self.server.files.stopped.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": "0"} | (headers or {}))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.server.files.note(Request(unquote(self.path), self.headers.get("Range", ""), status))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def main() -> None:
    """Serve a folder until interrupted; print the address on the first line."""
    parser = argparse.ArgumentParser(description="Serve a folder on 127.0.0.1 with byte ranges.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    arguments = parser.parse_args()
    server = FileServer(arguments.folder, arguments.port)
    print(server.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
