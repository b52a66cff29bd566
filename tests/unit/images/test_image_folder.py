"""Image lists and calibration: whole files only, and never an evaluation image."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.coco.image_list import ImageRecord, coco_id
from ssdbench.errors import UserError
from ssdbench.files.hashing import fingerprint, sha256_file
from ssdbench.images.calibration import choose_calibration
from ssdbench.images.image_folder import folder_records, inspect


def write_image(path: Path, seed: int = 0, width: int = 40, height: int = 30) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def record(name: str, identity: int = 1, sha256: str = "") -> ImageRecord:
    return ImageRecord(identity, name, 40, 30, sha256)


def test_inspect_records_the_hash_of_every_whole_image(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    (found,), orientation, note = inspect(tmp_path, [record("a.jpg")])
    assert (orientation, note) == ("stored", "")
    assert found.sha256 == sha256_file(tmp_path / "a.jpg")


def test_an_image_of_another_size_than_annotated_is_named_with_both(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", width=50)
    with pytest.raises(UserError, match=r"a\.jpg is 50x30 pixels.*40x30"):
        inspect(tmp_path, [record("a.jpg")])


def test_a_missing_a_truncated_and_a_false_image_are_named(tmp_path: Path) -> None:
    write_image(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.jpg").write_text("hello")
    for name in ("gone.jpg", "half.jpg", "text.jpg"):
        with pytest.raises(UserError, match=name):
            inspect(tmp_path, [record("whole.jpg"), record(name)])


def test_coco_ids_are_read_from_coco_names_only() -> None:
    assert coco_id("000000000139.jpg") == 139
    assert coco_id("COCO_val2014_000000000042.jpg") == 42
    assert coco_id("deep/000000000007.jpg") == 7
    assert coco_id("scene-000000000139.jpg") is None
    assert coco_id("IMG_1234.jpg") is None


def test_records_of_a_folder_go_by_coco_ids_where_all_have_one_of_their_own_and_else_by_place(tmp_path: Path) -> None:
    for name in ("000000000139.jpg", "000000000042.jpg"):
        write_image(tmp_path / name)
    assert {r.file_name: r.id for r in folder_records(tmp_path)} == {"000000000042.jpg": 42, "000000000139.jpg": 139}
    write_image(tmp_path / "b.jpg")
    assert [(r.id, r.file_name) for r in folder_records(tmp_path)] == [
        (1, "000000000042.jpg"),
        (2, "000000000139.jpg"),
        (3, "b.jpg"),
    ]


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no image file"):
        folder_records(tmp_path)
    with pytest.raises(UserError, match="is not a folder"):
        folder_records(tmp_path / "nowhere")


def test_calibration_drops_evaluation_images_by_id_and_by_content_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    candidates = [record(f"{n:012d}.jpg", n, f"hash{n}") for n in range(1, 7)]
    chosen = choose_calibration(candidates, 4, 0, {"hash3": "x.jpg"}, frozenset({5}))
    assert {image.id for image in chosen} == {1, 2, 4, 6}
    assert "000000000005.jpg is dropped: its COCO id is among" in caplog.text
    assert "it is the evaluation image x.jpg" in caplog.text
    with pytest.raises(UserError, match=r"needs 5 images, but of 6 candidates only 4 are left.*4 or fewer"):
        choose_calibration(candidates, 5, 0, {"hash3": "x.jpg"}, frozenset({5}))


@given(st.integers(2, 40), st.integers(0, 9), st.data())
def test_a_larger_calibration_set_holds_the_smaller_one(total: int, seed: int, data: st.DataObject) -> None:
    candidates = [record(f"{n}.jpg", -n, f"hash{n}") for n in range(total)]
    shuffled = data.draw(st.permutations(candidates))
    small = data.draw(st.integers(1, total - 1))
    first = choose_calibration(shuffled, small, seed, {}, frozenset())
    second = choose_calibration(candidates, small + 1, seed, {}, frozenset())
    assert second[:small] == first


def test_a_fingerprint_changes_with_names_sizes_and_times_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    seen = {fingerprint([tmp_path])}
    (tmp_path / "a.txt").write_text("12")
    seen.add(fingerprint([tmp_path]))
    (tmp_path / "b.txt").write_text("")
    seen.add(fingerprint([tmp_path]))
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    seen.add(fingerprint([tmp_path]))
    assert len(seen) == 4
    assert fingerprint([tmp_path]) in seen


def test_missing_images_are_counted_and_ten_are_named(tmp_path: Path) -> None:
    write_image(tmp_path / "there.jpg")
    gone = [record(f"gone{number:02d}.jpg", number) for number in range(12)]
    with pytest.raises(
        UserError, match=r"^12 of 13 images are missing in .*: gone00\.jpg, .*gone09\.jpg, \.\.\.\. Give"
    ):
        inspect(tmp_path, [record("there.jpg", 99), *gone])
    with pytest.raises(UserError, match=r"^1 of 1 images is missing in .*: gone00\.jpg\. Give the folder"):
        inspect(tmp_path, gone[:1])


def test_where_a_missing_image_lies_instead_is_said(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg")
    (tmp_path / "train").mkdir()
    write_image(tmp_path / "train" / "b[1].jpg")
    with pytest.raises(UserError, match=r"a\.jpg lies in .* itself, so the annotations name a folder too many"):
        inspect(tmp_path, [record("images/a.jpg")])
    with pytest.raises(UserError, match=r"There is .*train/b\[1\]\.jpg, though"):
        inspect(tmp_path, [record("b[1].jpg")])
