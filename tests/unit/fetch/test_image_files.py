"""Image files of a COCO dataset: only what is wanted, checked, from single files or the archive."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ssdbench.catalog.registry import Images, RemoteFile
from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.fetch import image_files
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import Patience
from ssdbench.fetch.image_files import place_images
from support.server import Fault, FileServer

QUICK = Patience(attempts=2, backoff=0.005, connect=2.0, read=2.0)
COUNT = 12


def jpeg(number: int, width: int = 48, height: int = 32) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])


def record(number: int) -> ImageRecord:
    return ImageRecord(number, f"{number:012}.jpg", 48, 32, "")


RECORDS = [record(number) for number in range(1, COUNT + 1)]
HASHES = {image.file_name: hashlib.sha256(jpeg(image.id)).hexdigest() for image in RECORDS}


class World:
    """A server with the images one by one and as an archive, and a place to put them."""

    def __init__(self, server: FileServer, root: Path) -> None:
        self.server, self.folder, self.downloads = server, root / "datasets" / "coco", root / "downloads"
        self.checksums = Checksums(root / "checksums.yaml")
        self.templates = (f"{server.url}/val2017/{{file_name}}",)
        zipped = root / "www" / "val2017.zip"
        (root / "www" / "val2017").mkdir(parents=True)
        with zipfile.ZipFile(zipped, "w") as archive:
            for image in [*RECORDS, record(99)]:
                archive.writestr(f"val2017/{image.file_name}", jpeg(image.id))
                (root / "www" / "val2017" / image.file_name).write_bytes(jpeg(image.id))
        sha256 = hashlib.sha256(zipped.read_bytes()).hexdigest()
        file = RemoteFile("val2017.zip", (f"{server.url}/val2017.zip",), zipped.stat().st_size, sha256)
        self.archive = Images(file, "val2017", self.templates, COUNT + 1)

    def place(self, records: list[ImageRecord] = RECORDS, archive: bool = True) -> dict[str, str]:
        return place_images(
            records, self.folder, self.templates, self.archive if archive else None, self.downloads,
            self.checksums, patience=QUICK,
        )  # fmt: skip

    def refusal(self, records: list[ImageRecord] = RECORDS) -> str:
        with pytest.raises(UserError) as caught:
            self.place(records)
        return str(caught.value)

    def asked(self) -> list[str]:
        """The paths asked for since the last call, in order of their names."""
        paths = sorted(request.path for request in self.server.log)
        self.server.log.clear()
        return paths

    def path(self, number: int) -> Path:
        return self.folder / "images" / record(number).file_name

    def there(self) -> set[str]:
        return {path.name for path in (self.folder / "images").iterdir()}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FileServer(tmp_path / "www") as server:
        yield World(server, tmp_path)


def url_path(number: int) -> str:
    return f"/val2017/{number:012}.jpg"


def test_few_images_are_fetched_one_by_one_and_only_once(world: World) -> None:
    assert world.place() == HASHES
    assert world.asked() == [url_path(image.id) for image in RECORDS]
    assert world.there() == set(HASHES)
    assert {name: row["sha256"] for name, row in ledger(world).items()} == HASHES
    assert world.place() == HASHES
    assert world.asked() == []


def ledger(world: World) -> dict[str, dict[str, object]]:
    rows: dict[str, dict[str, object]] = json.loads((world.folder / "images.sha256.json").read_text())
    return rows


def test_another_subset_fetches_only_what_is_new(world: World) -> None:
    world.place(RECORDS[:8])
    world.asked()
    assert world.place(RECORDS[4:]) == {image.file_name: HASHES[image.file_name] for image in RECORDS[4:]}
    assert world.asked() == [url_path(image.id) for image in RECORDS[8:]]
    assert len(ledger(world)) == COUNT


def test_unchanged_images_are_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.place()
    monkeypatch.setattr(image_files, "read_image", lambda path: pytest.fail(f"{path} was read"))
    assert world.place() == HASHES


def test_many_images_come_from_the_archive(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "SINGLE_IMAGES", COUNT - 1)
    assert world.place() == HASHES
    assert world.asked() == ["/val2017.zip"]
    assert world.there() == set(HASHES)
    assert (world.downloads / "val2017.zip").exists()
    world.path(3).unlink()
    assert world.place() == HASHES
    assert world.asked() == []


def test_an_archive_that_lies_there_is_used_before_the_network(world: World) -> None:
    world.downloads.mkdir(parents=True)
    (world.downloads / "val2017.zip").write_bytes((world.server.folder / "val2017.zip").read_bytes())
    assert world.place() == HASHES
    assert world.asked() == []


def test_an_archive_without_a_wanted_image_is_one_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "SINGLE_IMAGES", 0)
    assert "val2017.zip has no member 'val2017/000000000050.jpg'" in world.refusal([*RECORDS, record(50)])
    assert world.there() == set()


def test_an_image_of_unknown_size_is_decoded_all_the_same(world: World) -> None:
    unknown = [replace(image, width=0, height=0) for image in RECORDS[:3]]
    assert world.place(unknown, archive=False) == {image.file_name: HASHES[image.file_name] for image in unknown}
    (world.server.folder / "val2017" / record(4).file_name).write_bytes(jpeg(4)[:-200])
    assert "truncated" in world.refusal([replace(record(4), width=0, height=0)])


def test_a_changed_or_lost_file_is_fetched_again(world: World) -> None:
    world.place()
    world.asked()
    world.path(1).unlink()
    world.path(2).write_bytes(jpeg(2)[:-1])
    os.utime(world.path(3), ns=(1, 1))
    assert world.place() == HASHES
    assert world.asked() == [url_path(1), url_path(2)]
    assert world.path(2).read_bytes() == jpeg(2)


def test_files_of_a_killed_run_are_checked_and_kept(world: World) -> None:
    world.place()
    world.asked()
    (world.folder / "images.sha256.json").unlink()
    world.path(5).write_bytes(b"")
    assert world.place() == HASHES
    assert world.asked() == [url_path(5)]


@pytest.mark.parametrize(
    ("served", "said"),
    [
        (b"", "is empty"),
        (b"<html>no such image</html>", "is not an image that can be read"),
        (jpeg(7)[:-400], "is truncated or damaged"),
        (jpeg(7, width=47), "is 47x32 pixels, but its annotation says 48x32"),
    ],
)
def test_what_is_not_the_image_does_not_get_in(world: World, served: bytes, said: str) -> None:
    (world.server.folder / "val2017" / record(7).file_name).write_bytes(served)
    sentence = world.refusal()
    assert sentence.startswith(f"Could not get 1 of {COUNT} images of coco ({record(7).file_name}). ")
    assert said in sentence
    assert world.there() == set(HASHES) - {record(7).file_name}
    (world.server.folder / "val2017" / record(7).file_name).write_bytes(jpeg(7))
    world.asked()
    assert world.place() == HASHES
    assert world.asked() == [url_path(7)]


def test_other_bytes_than_at_the_first_time_are_refused(world: World) -> None:
    world.place()
    world.path(6).unlink()
    (world.server.folder / "val2017" / record(6).file_name).write_bytes(jpeg(60))
    said = world.refusal()
    assert hashlib.sha256(jpeg(60)).hexdigest() in said and HASHES[record(6).file_name] in said
    assert not world.path(6).exists()


def test_breaks_and_busy_servers_are_overcome(world: World) -> None:
    world.server.faults[url_path(1)] = [Fault("cut", times=1, at=100)]
    world.server.faults[url_path(2)] = [Fault("status", times=1, status=503)]
    assert world.place() == HASHES


def test_a_server_without_the_images_is_not_asked_for_all_of_them(world: World) -> None:
    records = [record(number) for number in range(1000, 1200)]
    said = world.refusal(records)
    assert said.startswith("Could not get at least ") and "of 200 images of coco (000000001" in said
    assert "answered 404" in said
    assert len(world.server.log) < 40
    assert world.there() == set()


@pytest.mark.parametrize("name", ["../up.jpg", "/etc/passwd", "a/b.jpg", "", ".."])
def test_file_names_that_are_paths_are_refused(world: World, name: str) -> None:
    said = world.refusal([ImageRecord(1, name, 48, 32, "")])
    assert f"Image {name!r} is not a plain file name" in said
    assert world.asked() == []


def test_a_spoilt_ledger_is_one_sentence(world: World) -> None:
    world.place()
    for text in ("[]", '{"a": {"sha256": 1}}', '{"a": 3}', "{"):
        (world.folder / "images.sha256.json").write_text(text)
        assert "images.sha256.json" in world.refusal()
