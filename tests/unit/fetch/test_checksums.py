"""Trust on first use: recorded once, held to afterwards, whoever writes at the same time."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import yaml

from ssdbench.catalog.registry import RemoteFile
from ssdbench.errors import UserError
from ssdbench.fetch.checksums import Checksums, Known

A, B = "a" * 64, "b" * 64
URL = "http://host/model.tar.gz"
UNKNOWN = RemoteFile("model.tar.gz", (URL, "http://other/model.tar.gz"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "checksums.yaml"


def test_the_first_hash_is_recorded_and_the_next_one_held_to_it(path: Path) -> None:
    assert Checksums(path).known(UNKNOWN) is None
    assert Checksums(path).hold(UNKNOWN, A, 5, "http://host/model.tar.gz") == "first use"
    first = path.read_bytes()
    assert Checksums(path).hold(UNKNOWN, A, 5, "http://mirror/model.tar.gz") == "first use"
    assert path.read_bytes() == first
    row = yaml.safe_load(first)[URL]
    assert (row["sha256"], row["size"], row["url"]) == (A, 5, "http://host/model.tar.gz")
    assert Checksums(path).known(UNKNOWN) == Known(A, 5, "first use")


def test_another_hash_is_refused_with_both_and_the_remedy(path: Path) -> None:
    Checksums(path).hold(UNKNOWN, A, 5, "http://host/model.tar.gz")
    with pytest.raises(UserError) as caught:
        Checksums(path).hold(UNKNOWN, B, 5, "http://host/model.tar.gz")
    said = str(caught.value)
    assert A in said and B in said and f"delete the row {URL} in {path}" in said
    assert Checksums(path).known(UNKNOWN) == Known(A, 5, "first use")


def test_files_of_one_name_from_two_addresses_are_two_files(path: Path) -> None:
    namesake = RemoteFile(UNKNOWN.name, ("http://elsewhere/model.tar.gz",))
    Checksums(path).hold(UNKNOWN, A, 5, URL)
    assert Checksums(path).known(namesake) is None
    assert Checksums(path).hold(namesake, B, 6, namesake.urls[0]) == "first use"
    assert Checksums(path).known(UNKNOWN) == Known(A, 5, "first use")
    assert Checksums(path).known(namesake) == Known(B, 6, "first use")


def test_the_registry_goes_before_what_was_recorded(path: Path) -> None:
    Checksums(path).hold(UNKNOWN, A, 5, "http://host/model.tar.gz")
    vouched = RemoteFile("model.tar.gz", UNKNOWN.urls, 5, B.upper())
    assert Checksums(path).hold(vouched, B, 5, "http://host/model.tar.gz") == "registry"
    with pytest.raises(UserError, match=r"the registry row says b{64}"):
        Checksums(path).hold(vouched, A, 5, "http://host/model.tar.gz")


def _record(path: Path, number: int) -> None:
    Checksums(path).hold(RemoteFile(f"file{number}", ()), f"{number:064x}", number, "http://host/")


def test_parallel_writers_lose_nothing(path: Path) -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        list(pool.map(_record, [path] * 40, range(40)))
    assert {name: row["size"] for name, row in yaml.safe_load(path.read_text()).items()} == {
        f"file{number}": number for number in range(40)
    }


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]",
        "a: 1",
        "a: {sha256: 12, size: 3}",
        f"a: {{sha256: {A}}}",
        "a: {b",
        "\x00",
        "a: *b",
        "[" * 1100,
    ],
)
def test_a_spoilt_file_is_one_sentence(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UserError, match=r"checksums.yaml is not .*Repair it, or delete it"):
        Checksums(path).known(UNKNOWN)
    assert path.read_text() == text
