"""Downloads against a real server that misbehaves: whole and right in place, or one sentence and nothing."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ssdbench.catalog.registry import RemoteFile
from ssdbench.errors import UserError
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import Fetched, Patience, fetch, urls_of
from support.server import Fault, FileServer, Request
from support.small_disk import can_mount, small_disk

QUICK = Patience(attempts=4, backoff=0.005, connect=2.0, read=0.4)
BODY = random.Random(7).randbytes(3_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "a.zip").write_bytes(BODY)
    with FileServer(tmp_path / "www") as running:
        yield running


@pytest.fixture
def checksums(tmp_path: Path) -> Checksums:
    return Checksums(tmp_path / "checksums.yaml")


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "a.zip"


def row(*urls: str, size: int | None = len(BODY), sha256: str | None = SHA256) -> RemoteFile:
    return RemoteFile("a.zip", urls, size, sha256)


def part_of(destination: Path) -> Path:
    return destination.with_name(destination.name + ".part")


def only_right_file(destination: Path) -> bool:
    """The file is in place and right, and nothing but its lock lies beside it."""
    names = {path.name for path in destination.parent.iterdir()}
    return destination.read_bytes() == BODY and names == {"a.zip", ".a.zip.lock"}


def refusal(file: RemoteFile, destination: Path, checksums: Checksums) -> str:
    with pytest.raises(UserError) as caught:
        fetch(file, destination, checksums, patience=QUICK)
    assert not destination.exists()
    return str(caught.value)


def test_a_file_arrives_once_and_is_not_fetched_again(
    server: FileServer, destination: Path, checksums: Checksums
) -> None:
    expected = Fetched(destination, len(BODY), SHA256, "registry")
    assert fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK) == expected
    assert fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK) == expected
    assert server.log == [Request("/a.zip", "", 200)]
    assert only_right_file(destination)


def test_cuts_are_resumed_where_they_happened(server: FileServer, destination: Path, checksums: Checksums) -> None:
    server.faults["/a.zip"] = [Fault("cut", times=3, at=500_001)]
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert [request.range for request in server.log] == [
        "", "bytes=500001-", "bytes=1000002-", "bytes=1500003-",
    ]  # fmt: skip
    assert only_right_file(destination)


@pytest.mark.parametrize("seed", range(5))
def test_cuts_at_random_bytes_never_spoil_the_file(
    server: FileServer, destination: Path, checksums: Checksums, seed: int
) -> None:
    chance = random.Random(seed)
    server.faults["/a.zip"] = [
        Fault(chance.choice(["cut", "no_range", "status"]), times=1, at=chance.randrange(len(BODY))) for _ in range(3)
    ]
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert only_right_file(destination)


def test_cuts_that_bring_something_do_not_use_up_the_attempts(
    server: FileServer, destination: Path, checksums: Checksums
) -> None:
    server.faults["/a.zip"] = [Fault("cut", at=1_100_000)]
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=Patience(attempts=1))
    assert len(server.log) == 3
    assert only_right_file(destination)


def test_endless_cuts_end_in_a_sentence_and_the_next_run_goes_on(
    server: FileServer, destination: Path, checksums: Checksums
) -> None:
    server.faults["/a.zip"] = [Fault("cut", times=QUICK.attempts, at=1000)]
    said = refusal(row(f"{server.url}/a.zip"), destination, checksums)
    assert f"{server.url}/a.zip broke off" in said and "mirror" in said
    assert part_of(destination).read_bytes() == BODY[: 1000 * QUICK.attempts]
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert server.log[-1].range == f"bytes={1000 * QUICK.attempts}-"
    assert only_right_file(destination)


def test_without_ranges_it_starts_again(server: FileServer, destination: Path, checksums: Checksums) -> None:
    part_of(destination).parent.mkdir()
    part_of(destination).write_bytes(BODY[:1_000_000])
    server.faults["/a.zip"] = [Fault("no_range")]
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert server.log == [Request("/a.zip", "bytes=1000000-", 200)]
    assert only_right_file(destination)


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(BODY), b"x" * (len(BODY) + 1)])
def test_a_part_of_another_file_is_thrown_away(
    server: FileServer, destination: Path, checksums: Checksums, left: bytes
) -> None:
    destination.parent.mkdir()
    part_of(destination).write_bytes(left)
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert only_right_file(destination)


def test_a_complete_part_of_a_killed_run_needs_no_server(destination: Path, checksums: Checksums) -> None:
    destination.parent.mkdir()
    part_of(destination).write_bytes(BODY)
    fetch(row("http://127.0.0.1:9/a.zip"), destination, checksums, patience=QUICK)
    assert only_right_file(destination)


def test_a_changed_file_is_not_glued_to_the_old_one(
    server: FileServer, destination: Path, checksums: Checksums
) -> None:
    """Without a checksum only the server's ETag tells that the file was replaced after the break."""
    newer, file = BODY[::-1], server.folder / "a.zip"
    server.faults["/a.zip"] = [Fault("cut", times=1, at=1_500_000)]
    original = server.next_fault

    def next_fault(path: str) -> Fault | None:
        if server.log:
            file.write_bytes(newer)
        return original(path)

    server.next_fault = next_fault  # type: ignore[method-assign]
    fetch(row(f"{server.url}/a.zip", sha256=None), destination, checksums, patience=QUICK)
    assert [(request.range, request.status) for request in server.log] == [("", 200), ("bytes=1500000-", 200)]
    assert destination.read_bytes() == newer


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("status", status=404), "answered 404"),
        (Fault("status", status=503), "answered 503"),
        (Fault("wrong_bytes", at=17), "but the registry row says " + SHA256),
        (Fault("wrong_size", at=1), f"has {len(BODY) - 1} bytes instead of {len(BODY)}"),
        (Fault("redirect", to="/a.zip"), "redirects more than 5 times"),
        (
            Fault("redirect", to="file:///etc/passwd"),
            "redirects to something that is not an http or https url",
        ),
        (Fault("stall", at=1000), "timed out"),
        (Fault("stall", at=0), "timed out"),
        (Fault("trickle", at=10), "sends less than 1024 bytes a second"),
    ],
    ids=lambda value: f"{value.kind}{value.status}{value.to}{value.at}" if isinstance(value, Fault) else "",
)
def test_what_a_server_does_wrong_is_one_sentence_and_no_file(
    server: FileServer, destination: Path, checksums: Checksums, fault: Fault, said: str
) -> None:
    server.faults["/a.zip"] = [fault]
    sentence = refusal(row(f"{server.url}/a.zip"), destination, checksums)
    assert said in sentence
    assert sentence.startswith("a.zip could not be fetched: ") and f"{server.url}/a.zip" in sentence
    assert sentence.endswith("in a file of `registries`.")


def test_a_server_that_is_busy_for_a_while_is_asked_again(
    server: FileServer, destination: Path, checksums: Checksums
) -> None:
    server.faults["/a.zip"] = [Fault("status", times=2, status=503), Fault("status", times=1, status=429)]
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert [request.status for request in server.log] == [503, 503, 429, 200]
    assert only_right_file(destination)


def test_what_waiting_cannot_mend_is_asked_once(server: FileServer, destination: Path, checksums: Checksums) -> None:
    refusal(row(f"{server.url}/missing.zip"), destination, checksums)
    assert [request.status for request in server.log] == [404]


def test_every_url_is_tried_in_turn_and_each_is_named(
    server: FileServer, destination: Path, checksums: Checksums
) -> None:
    (server.folder / "b.zip").write_bytes(BODY)
    server.faults["/a.zip"] = [Fault("wrong_bytes", at=99)]
    fetch(
        row(f"{server.url}/no.zip", f"{server.url}/a.zip", f"{server.url}/b.zip"),
        destination,
        checksums,
        patience=QUICK,
    )
    assert [request.path for request in server.log] == ["/no.zip", "/a.zip", "/b.zip"]
    assert only_right_file(destination)
    destination.unlink()
    said = refusal(row(f"{server.url}/no.zip", f"{server.url}/a.zip"), destination, checksums)
    assert f"{server.url}/no.zip answered 404; {server.url}/a.zip has sha256" in said


def test_bytes_without_end_are_refused(server: FileServer, destination: Path, checksums: Checksums) -> None:
    (server.folder / "a.zip").write_bytes(BODY * 2)
    server.faults["/a.zip"] = [Fault("no_length")]
    assert "sends more than 3.0 MB" in refusal(row(f"{server.url}/a.zip"), destination, checksums)
    assert part_of(destination).stat().st_size <= len(BODY)


def test_a_length_that_nobody_states_is_not_trusted_on_first_use(
    server: FileServer, destination: Path, checksums: Checksums
) -> None:
    server.faults["/a.zip"] = [Fault("no_length")]
    said = refusal(row(f"{server.url}/a.zip", size=None, sha256=None), destination, checksums)
    assert "does not say how long the file is" in said


def test_an_encoding_label_does_not_unpack_the_file(
    tmp_path: Path, destination: Path, checksums: Checksums, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers label .tar.gz as gzip-encoded; the bytes that count are those of the archive."""
    packed = gzip.compress(b"weights", mtime=0)

    class Labelled(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(packed)))
            self.end_headers()
            self.wfile.write(packed)

        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.HTTPServer(("127.0.0.1", 0), Labelled) as labelled:
        threading.Thread(target=labelled.handle_request, daemon=True).start()
        url = f"http://127.0.0.1:{labelled.server_address[1]}/m.tar.gz"
        fetch(row(url, size=len(packed), sha256=None), destination, checksums, patience=QUICK)
    assert destination.read_bytes() == packed


def test_a_certificate_that_nobody_signed_is_refused(
    tmp_path: Path, destination: Path, checksums: Checksums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "a.zip").write_bytes(BODY)
    with FileServer(tmp_path, tls=True) as server:
        said = refusal(row(f"{server.url}/a.zip"), destination, checksums)
    assert "certificate that is not trusted (REQUESTS_CA_BUNDLE" in said
    assert server.log == []


def test_no_network_is_said_in_the_systems_words(destination: Path, checksums: Checksums) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/a.zip"
    assert f"{url} cannot be reached (Connection refused)" in refusal(row(url), destination, checksums)
    said = refusal(row("http://nowhere.invalid/a.zip"), destination, checksums)
    assert "http://nowhere.invalid/a.zip cannot be reached (" in said


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/a", "/etc/passwd", "http://", "http://[::1", ""])
def test_only_http_urls_are_asked(destination: Path, checksums: Checksums, url: str) -> None:
    assert "is not an http or https url" in refusal(row(url), destination, checksums)


def test_passwords_do_not_belong_in_urls(destination: Path, checksums: Checksums) -> None:
    said = refusal(row("http://me:secret@host/a.zip"), destination, checksums)
    assert "~/.netrc" in said and "secret" not in said


def test_a_mirror_keeps_the_hosts_apart(server: FileServer, destination: Path, checksums: Checksums) -> None:
    folder = server.folder / "images.cocodataset.org" / "zips"
    folder.mkdir(parents=True)
    (folder / "val2017.zip").write_bytes(BODY)
    url = "http://images.cocodataset.org/zips/val2017.zip"
    for mirror in (server.url, f"{server.url}/"):
        assert urls_of("a", [url], mirror) == (f"{server.url}/images.cocodataset.org/zips/val2017.zip",)
    fetch(row(url), destination, checksums, server.url, QUICK)
    assert only_right_file(destination)


def test_too_little_room_is_said_before_anything_is_written(
    server: FileServer, destination: Path, checksums: Checksums, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=2_000_000))
    said = refusal(row(f"{server.url}/a.zip"), destination, checksums)
    assert said.startswith("a.zip needs 3.0 MB in") and "2.0 MB free" in said
    assert not part_of(destination).exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
def test_a_disk_that_fills_up_is_one_sentence(server: FileServer, destination: Path, checksums: Checksums) -> None:
    destination.parent.mkdir()
    part_of(destination).symlink_to("/dev/full")
    said = refusal(row(f"{server.url}/a.zip"), destination, checksums)
    assert said.startswith(f"{destination} cannot be written: the disk is full.")


@pytest.mark.skipif(not can_mount(), reason="only root can mount a small disk. To run: make test as root")
def test_a_small_disk_is_one_sentence_and_with_room_the_download_goes_on(
    server: FileServer, destination: Path, checksums: Checksums, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as blind, small_disk(destination.parent, 1000):
        blind.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1 << 40))  # filled by others later
        said = refusal(row(f"{server.url}/a.zip"), destination, checksums)
        assert said.startswith(f"{destination} cannot be written: the disk is full.")
        assert not destination.exists()
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert only_right_file(destination)


def test_a_wrong_file_in_place_is_replaced(server: FileServer, destination: Path, checksums: Checksums) -> None:
    destination.parent.mkdir()
    destination.write_bytes(BODY[:-1])
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert only_right_file(destination)


def test_first_use_is_flagged_and_held_to(server: FileServer, destination: Path, checksums: Checksums) -> None:
    unknown = row(f"{server.url}/a.zip", size=None, sha256=None)
    for _ in range(2):
        assert fetch(unknown, destination, checksums, patience=QUICK).origin == "first use"
        destination.unlink()
    (server.folder / "a.zip").write_bytes(BODY[:-1] + b"!")
    said = refusal(unknown, destination, checksums)
    assert SHA256 in said and hashlib.sha256(BODY[:-1] + b"!").hexdigest() in said
    assert "checksums.yaml" in said


FETCH = """
import sys
from pathlib import Path
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import fetch
from ssdbench.catalog.registry import RemoteFile
url, size, sha256, destination, checksums = sys.argv[1:]
fetch(RemoteFile("a.zip", (url,), int(size), sha256 or None), Path(destination), Checksums(Path(checksums)))
"""


def start(url: str, destination: Path, sha256: str = SHA256) -> subprocess.Popen[bytes]:
    scripts = Path(__file__).parents[3] / "workflow" / "scripts"
    return subprocess.Popen(
        [
            sys.executable, "-c", FETCH, url, str(len(BODY)), sha256, str(destination),
            str(destination.parents[1] / "checksums.yaml"),
        ],
        env=os.environ | {"PYTHONPATH": str(scripts), "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip


def test_two_processes_fetch_one_file_once(server: FileServer, destination: Path) -> None:
    both = [start(f"{server.url}/a.zip", destination) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert server.log == [Request("/a.zip", "", 200)]
    assert only_right_file(destination)


def test_a_killed_download_is_resumed(server: FileServer, destination: Path, checksums: Checksums) -> None:
    server.faults["/a.zip"] = [Fault("stall", times=1, at=2_000_000)]
    process = start(f"{server.url}/a.zip", destination)
    while not (part_of(destination).exists() and part_of(destination).stat().st_size > 1_000_000):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not destination.exists()
    fetch(row(f"{server.url}/a.zip"), destination, checksums, patience=QUICK)
    assert int(server.log[-1].range.removeprefix("bytes=").removesuffix("-")) > 1_000_000
    assert only_right_file(destination)
