"""Archives that somebody else made: what is asked comes out whole, and nothing leaves the folder."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ssdbench.errors import UserError
from ssdbench.fetch.archive import plain_name, unpack

FILES = {
    "val2017/1.jpg": b"one",
    "val2017/2.jpg": b"two" * 9,
    "README": b"",
    "deep/er/x.bin": bytes(range(256)),
}

Make = Callable[[Path, Mapping[str, bytes]], Path]


def make_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("val2017")
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, zipfile.ZIP_DEFLATED  # the name as it is, not tidied up
            archive.writestr(info, data)
    return path


def make_tar(path: Path, files: Mapping[str, bytes], *special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info in special:
            archive.addfile(info)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(params=[make_zip, make_tar], ids=["zip", "tar.gz"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(archive: Path, folder: Path, wanted: object = lambda name: True, **limits: int) -> str:
    """The sentence; nothing was written, neither into the folder nor beside it."""
    around = content(folder.parent)
    with pytest.raises(UserError) as caught:
        unpack(archive, folder, wanted, **limits)  # type: ignore[arg-type]
    assert content(folder.parent) == around
    return str(caught.value)


def test_only_what_is_asked_comes_out(tmp_path: Path, make: Make) -> None:
    archive, folder = make(tmp_path / "a", FILES), tmp_path / "out"
    unpacked = unpack(archive, folder, {"val2017/2.jpg", "deep/er/x.bin"})
    assert unpacked == {name: folder / name for name in ("val2017/2.jpg", "deep/er/x.bin")}
    assert content(folder) == {name: FILES[name] for name in unpacked}


def test_a_predicate_chooses_and_flat_leaves_folders_away(tmp_path: Path, make: Make) -> None:
    archive, folder = make(tmp_path / "a", FILES), tmp_path / "out"
    unpack(archive, folder, lambda name: name.startswith("val2017/"), flat=True)
    assert content(folder) == {"1.jpg": b"one", "2.jpg": b"two" * 9}


def test_names_that_begin_with_a_dot_slash_are_asked_for_without(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "a", {"./model/frozen.pb": b"graph"})
    assert unpack(archive, tmp_path / "out", {"model/frozen.pb"}) == {
        "model/frozen.pb": tmp_path / "out" / "model" / "frozen.pb"
    }


def test_a_missing_member_is_named_with_its_archive(tmp_path: Path, make: Make) -> None:
    archive = make(tmp_path / "a", FILES)
    said = refusal(archive, tmp_path / "out", {"val2017/1.jpg", "val2017/3.jpg", "val2017/4.jpg"})
    assert said.startswith(f"Archive {archive} has no member 'val2017/3.jpg' and 1 more.")


OUTSIDE = ["/etc/passwd", "../up", "a/../../up", "..", "a\\..\\up", "C:/up", "a\nb", "~/../../up", "x" * 300]


@pytest.mark.parametrize("name", OUTSIDE)
def test_members_that_climb_out_are_refused_before_any_is_written(tmp_path: Path, make: Make, name: str) -> None:
    said = refusal(make(tmp_path / "a", FILES | {name: b"evil"}), tmp_path / "out")
    assert "would be written outside its folder, so nothing of it was unpacked" in said


def test_a_member_that_climbs_out_does_no_harm_where_nobody_asks_for_it(tmp_path: Path, make: Make) -> None:
    archive = make(tmp_path / "a", FILES | {"../up": b"evil"})
    unpack(archive, tmp_path / "out", {"README"})
    assert content(tmp_path / "out") == {"README": b""}
    assert not (tmp_path / "up").exists()


@given(name=st.text(st.sampled_from("ab./\\:\0~ é\n") | st.characters(codec="utf-8"), min_size=1, max_size=40))
@example("..")
@example("./../x")
@example("a/..")
@example("//x")
@settings(deadline=None, max_examples=80)
def test_no_name_leaves_the_folder(name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        for make in (make_zip, make_tar):
            archive = make(root / make.__name__, {name: b"data"})
            before = content(root)
            folder = root / "a" / "b" / make.__name__
            try:
                files = unpack(archive, folder, lambda name: True)
            except UserError:
                files = {}
            written = {path: data for path, data in content(root).items() if path not in before}
            assert set(written) == {path.relative_to(root).as_posix() for path in files.values()}
            assert all(path.resolve().is_relative_to(folder.resolve()) for path in files.values())
            assert all(data == b"data" for data in written.values())
        if plain_name(name) is not None:
            assert (root / name).resolve().is_relative_to(root.resolve())


def special(kind: bytes, name: str = "val2017/0.jpg", to: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, to
    return info


@pytest.mark.parametrize(
    "member",
    [
        special(tarfile.SYMTYPE, to="/etc/passwd"),
        special(tarfile.SYMTYPE, name="val2017", to="/tmp"),
        special(tarfile.LNKTYPE, to="../../secret"),
        special(tarfile.CHRTYPE),
        special(tarfile.FIFOTYPE),
    ],
    ids=["symlink", "folder symlink", "hard link", "device", "pipe"],
)
def test_links_and_devices_are_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    said = refusal(make_tar(tmp_path / "a", FILES, member), tmp_path / "out")
    assert f"member {member.name!r} is a link or a device and not a plain file" in said


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "is a link or a device" in refusal(tmp_path / "a", tmp_path / "out")


def test_a_link_that_lies_in_the_folder_already_is_not_followed_out(tmp_path: Path, make: Make) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "val2017").symlink_to(tmp_path / "elsewhere")
    said = refusal(make(tmp_path / "a", FILES), tmp_path / "out")
    assert "through a link that leaves its folder" in said


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_take_each_others_place_are_refused(tmp_path: Path, make: Make) -> None:
    twice = make(tmp_path / "a", {"a/x": b"1", "./a/x": b"2"})
    assert "comes twice" in refusal(twice, tmp_path / "out")
    flat = make(tmp_path / "b", {"a/x": b"1", "b/x": b"2"})
    assert "comes twice" in refusal(flat, tmp_path / "out", flat=True)
    both = make(tmp_path / "c", {"a": b"1", "a/x": b"2"})
    assert "is both a file and a folder" in refusal(both, tmp_path / "out")


def test_huge_expansion_is_refused(tmp_path: Path, make: Make) -> None:
    bomb = make(tmp_path / "a", {"zeros": bytes(100 << 20), "small": b"1"})
    assert bomb.stat().st_size < 200_000
    assert "unpacks to more than 67.1 MB" in refusal(bomb, tmp_path / "out")
    files = make(tmp_path / "b", {str(number): bytes(1000) for number in range(10)})
    assert "unpacks to more than" in refusal(files, tmp_path / "out", max_bytes=9_999)
    unpack(make_zip(tmp_path / "c", {"zeros": bytes(100 << 20), "small": b"1"}), tmp_path / "out", {"small"})


def test_a_size_that_a_zip_understates_is_not_believed(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a", {"x": bytes(5_000_000)})
    data = archive.read_bytes()
    archive.write_bytes(data.replace((5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert "is damaged or cut off" in refusal(archive, tmp_path / "out")


def test_an_extended_header_cannot_fill_the_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    with gzip.open(tmp_path / "a", "wb") as packed:
        packed.write(header.tobuf(tarfile.GNU_FORMAT))
        packed.write(bytes(1 << 20))
    assert "is damaged or cut off" in refusal(tmp_path / "a", tmp_path / "out")


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.999])
def test_a_cut_archive_is_one_sentence(tmp_path: Path, make: Make, keep: float) -> None:
    noise = {f"{number}": random.Random(number).randbytes(3000) for number in range(5)}
    archive = make(tmp_path / "a", noise)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * keep)])
    said = refusal(archive, tmp_path / "out")
    assert "is damaged or cut off" in said or "is neither a .zip nor a .tar.gz" in said
    assert str(archive) in said


@given(seed=st.integers(0, 2**32), flips=st.integers(1, 12))
@example(seed=474, flips=9)
@settings(deadline=None, max_examples=100)
def test_damaged_bytes_are_a_sentence_or_the_right_files(seed: int, flips: int) -> None:
    """Every byte may be another: whatever comes out has passed the format's own checksum."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        for make in (make_zip, make_tar):
            archive = make(Path(scratch, make.__name__), FILES)
            data = bytearray(archive.read_bytes())
            for _ in range(flips):
                data[chance.randrange(len(data))] = chance.randrange(256)
            archive.write_bytes(data)
            folder = Path(scratch, "out", make.__name__)
            try:
                unpack(archive, folder, lambda name: True)
            except UserError:
                continue
            assert set(content(folder).values()) <= set(FILES.values())


@given(seed=st.integers(0, 2**32), changes=st.integers(1, 20))
@settings(deadline=None, max_examples=100)
def test_hostile_tar_headers_are_a_sentence_or_files_in_the_folder(seed: int, changes: int) -> None:
    """Header fields are changed and each header's checksum mended, so that the reader believes them."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        archive, folder = (
            make_tar(Path(scratch, "a"), FILES | {"long/" + "é" * 90: b"x"}),
            Path(scratch, "out"),
        )
        data = bytearray(gzip.decompress(archive.read_bytes()))
        for _ in range(changes):
            start = chance.randrange(0, len(data), 512)
            name, size, kind, anywhere = 0, 124 + chance.randrange(12), 156, chance.randrange(512)
            data[start + chance.choice([name, size, kind, anywhere])] = chance.choice(
                [*b"/.01257xgLKS\0\x80\xff", chance.randrange(256)]
            )
            header = data[start : start + 512]
            header[148:156] = b" " * 8
            data[start + 148 : start + 156] = b"%06o\0 " % sum(header)
        archive.write_bytes(gzip.compress(data, 1))
        try:
            files = unpack(archive, folder, lambda name: True)
        except UserError:
            files = {}
        assert all(path.resolve().is_relative_to(folder.resolve()) for path in files.values())
        assert {path.name for path in Path(scratch).iterdir()} <= {"a", "out"}


def test_too_little_room_is_said_before_anything_is_written(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make(tmp_path / "a", FILES)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=280))
    said = refusal(archive, tmp_path / "out")
    assert said.startswith("Unpacking a needs") and "Free some space" in said


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_text("<html>404</html>")
    assert "is neither a .zip nor a .tar.gz" in refusal(tmp_path / "a.zip", tmp_path / "out")
    assert "cannot be read: No such file" in refusal(tmp_path / "b.zip", tmp_path / "out")
    (tmp_path / "c.gz").write_bytes(gzip.compress(b"no tar" * 500))
    assert "is damaged" in refusal(tmp_path / "c.gz", tmp_path / "out")


def test_an_encrypted_member_is_one_sentence(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a", {"x": b"1"})
    data = bytearray(archive.read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.rfind(magic) + offset
        data[place] |= 1
    archive.write_bytes(data)
    assert "encrypted" in refusal(archive, tmp_path / "out")
