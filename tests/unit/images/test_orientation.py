"""Images that EXIF turns: pixels as another library turns them, and boxes taken in the pixels that sizes tell."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.images.image_folder import folder_records, inspect
from ssdbench.images.orientation import StoredForm, choose_orientation, oriented, turned, turned_back
from ssdbench.images.pixels import decode_image, stored_form

WIDTH, HEIGHT = 48, 32
EXIF_ORIENTATION = 0x0112
ALL = range(1, 9)


def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A smooth picture without any symmetry."""
    coarse = np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def photograph(orientation: int, kind: str = "JPEG", image: Image.Image | None = None) -> bytes:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    buffer = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    (image or scene()).save(buffer, kind, exif=exif, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", ALL)
def test_pixels_are_turned_as_another_library_turns_them_or_stay_as_stored(kind: str, orientation: int) -> None:
    data, path = photograph(orientation, kind), Path("a")
    form = stored_form(data, path)
    assert form == StoredForm(WIDTH, HEIGHT, orientation)
    stored = decode_image(data, oriented(ImageRecord(1, "a", 0, 0, ""), form, "stored"), path)
    assert np.abs(stored[:, :, ::-1].astype(int) - np.asarray(scene())).max() <= 8
    displayed = decode_image(data, oriented(ImageRecord(1, "a", 0, 0, ""), form, "displayed"), path)
    with Image.open(io.BytesIO(data)) as image:
        theirs = np.asarray(ImageOps.exif_transpose(image).convert("RGB"), int)
    assert displayed.shape == theirs.shape
    assert np.abs(displayed[:, :, ::-1] - theirs).max() <= 8


@given(st.sampled_from(ALL), st.integers(1, 5), st.integers(1, 5))
def test_turning_back_undoes_turning(orientation: int, height: int, width: int) -> None:
    pixels = np.arange(3 * height * width, dtype=np.uint8).reshape(height, width, 3)
    assert np.array_equal(turned_back(turned(pixels, orientation), orientation), pixels)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_tag_that_means_nothing_turns_nothing(value: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = value
    buffer = io.BytesIO()
    scene().save(buffer, "JPEG", exif=exif)
    assert stored_form(buffer.getvalue(), Path("a")).orientation == 1


def pair(orientation: int, width: int, height: int, form: tuple[int, int] = (WIDTH, HEIGHT)) -> tuple:
    return ImageRecord(orientation, f"{orientation}.jpg", width, height, ""), StoredForm(*form, orientation)


def test_sizes_decide_where_they_tell() -> None:
    plain, upside_down = pair(1, WIDTH, HEIGHT), pair(3, WIDTH, HEIGHT)
    assert choose_orientation(None, [plain]) == ("stored", "")
    choice, note = choose_orientation(None, [plain, upside_down, pair(6, HEIGHT, WIDTH)])
    assert choice == "displayed" and note.startswith("2 of 3 images carry an EXIF rotation; boxes are taken in disp")
    choice, note = choose_orientation(None, [plain, upside_down, pair(8, WIDTH, HEIGHT)])
    assert choice == "stored" and "in stored pixels" in note


def test_where_nothing_tells_the_number_and_both_choices_are_said() -> None:
    square = pair(6, 40, 40, (40, 40))
    for found in ([pair(3, WIDTH, HEIGHT)], [square], [pair(6, 7, 7)]):
        with pytest.raises(UserError, match=r"1 of 1 images carry .* do not tell .*`displayed`.*`stored`.*local\.or"):
            choose_orientation(None, found)
    with pytest.raises(UserError, match=r"2 of 2 .* sizes of 1 are those of the turned image and of 1"):
        choose_orientation(None, [pair(6, HEIGHT, WIDTH), pair(8, WIDTH, HEIGHT)])


@given(st.lists(st.tuples(st.sampled_from(ALL), st.booleans()), max_size=6), st.sampled_from(["stored", "displayed"]))
def test_what_is_stated_is_followed(images: list[tuple[int, bool]], stated: str) -> None:
    found = [pair(one, *((HEIGHT, WIDTH) if lies else (WIDTH, HEIGHT))) for one, lies in images]
    assert choose_orientation(stated, found) == (stated, "")


def test_inspecting_turns_what_sizes_say_and_a_stated_orientation_that_does_not_fit_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photograph(6))
    annotated = ImageRecord(1, "a.jpg", HEIGHT, WIDTH, "")
    (found,), choice, note = inspect(tmp_path, [annotated])
    assert (found.orientation, choice) == (6, "displayed") and "1 of 1 images" in note
    with pytest.raises(UserError, match="of the displayed pixels: state the orientation displayed"):
        inspect(tmp_path, [annotated], "stored")
    (found,), *_ = inspect(tmp_path, [ImageRecord(1, "a.jpg", WIDTH, HEIGHT, "")], "stored")
    assert found.orientation == 1


def test_a_folder_without_annotations_is_taken_as_displayed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photograph(8))
    (tmp_path / "b.jpg").write_bytes(photograph(1))
    assert [(one.width, one.height, one.orientation) for one in folder_records(tmp_path)] == [
        (HEIGHT, WIDTH, 8),
        (WIDTH, HEIGHT, 1),
    ]
