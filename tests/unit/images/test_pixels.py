"""Pixels: what is decoded, what is refused and with which words, and the order of loading."""

from __future__ import annotations

import hashlib
import io
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.images.orientation import StoredForm
from ssdbench.images.pixels import (
    MAX_IMAGE_PIXELS,
    decode_image,
    load_image,
    load_images,
    read_image,
    resize_image,
    stored_form,
)

WIDTH, HEIGHT = 48, 32
PATH = Path("folder/picture.jpg")


def scene(seed: int = 0) -> NDArray[np.uint8]:
    """A smooth RGB image that compression keeps nearly as it is."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0, **options: object) -> bytes:
    return encoded(Image.fromarray(scene(seed)), quality=95, **options)


def record(name: str = "picture.jpg", sha256: str = "") -> ImageRecord:
    return ImageRecord(1, name, WIDTH, HEIGHT, sha256)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_colours_come_in_bgr_and_agree_with_another_decoder() -> None:
    data = jpeg()
    bgr = decode_image(data, record(), PATH)
    with Image.open(io.BytesIO(data)) as image:
        rgb = np.asarray(image.convert("RGB")).astype(int)
    assert bgr.dtype == np.uint8
    assert np.abs(bgr[:, :, ::-1] - rgb).max() <= 4


def test_exif_rotation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to show
    turned = jpeg(exif=exif.tobytes())
    assert stored_form(turned, PATH) == StoredForm(WIDTH, HEIGHT, 6)
    assert np.array_equal(decode_image(turned, record(), PATH), decode_image(jpeg(), record(), PATH))


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("I;16", "PNG")]
)
def test_every_kind_of_pixel_becomes_three_channels(mode: str, kind: str) -> None:
    rgb = Image.fromarray(scene())
    if mode == "I;16":
        grey = np.asarray(rgb.convert("L"))
        image, expected = Image.fromarray(grey.astype(np.uint16) * 257), np.stack([grey] * 3, axis=-1)
    else:
        image = rgb.convert(mode)
        expected = np.asarray(image.convert("RGB"))
    bgr = decode_image(encoded(image, kind), record(), PATH)
    assert bgr.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(bgr[:, :, ::-1].astype(int) - expected).mean() < 6


def test_resize_is_bilinear_with_half_pixel_centres_in_the_order_asked_for() -> None:
    bgr = decode_image(jpeg(), record(), PATH)
    size = 20

    def weights(length: int) -> NDArray[np.float64]:
        centres = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
        low = np.minimum(centres.astype(int), length - 2)
        matrix = np.zeros((size, length))
        matrix[np.arange(size), low] = 1 - (centres - low)
        matrix[np.arange(size), low + 1] = centres - low
        return matrix

    expected = np.einsum("yh,hwc,xw->yxc", weights(HEIGHT), bgr, weights(WIDTH))
    assert np.abs(resize_image(bgr, size, "bgr") - expected).max() <= 1
    assert np.abs(resize_image(bgr, size, "rgb")[:, :, ::-1] - expected).max() <= 1


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})]
)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, -2])
def test_a_truncated_image_is_refused(kind: str, options: dict[str, bool], kept: float) -> None:
    whole = encoded(Image.fromarray(scene()), kind, **options)
    part = whole[: int(kept * len(whole)) if kept > 0 else int(kept)]
    decode_image(whole, record(), PATH)
    with pytest.raises(UserError, match=r"picture\.jpg (is truncated or damaged|is not an image).*\."):
        decode_image(part, record(), PATH)


def test_a_truncated_jpeg_is_refused_even_where_the_decoder_would_fill_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filled = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: filled)
    thumbnail = Image.fromarray(scene(1)).resize((16, 16))
    comment = encoded(thumbnail)  # a whole JPEG, with its own end, inside the header
    whole = jpeg(comment=comment)
    assert decode_image(whole, record(), PATH) is filled
    with pytest.raises(UserError, match="truncated"):
        decode_image(whole[:-50], record(), PATH)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_what_follows_the_end_of_a_jpeg_changes_nothing(progressive: bool, seed: int) -> None:
    whole = jpeg(progressive=progressive)
    video = np.random.default_rng(seed).bytes(20_000)
    trailer = b"\0\0\0\x18ftypmp42" + video + b"\xff\xda\0\x08" + video + b"SEFT"
    assert np.array_equal(decode_image(whole + trailer, record(), PATH), decode_image(whole, record(), PATH))
    with pytest.raises(UserError, match="truncated"):
        decode_image(whole[:-2], record(), PATH)


def test_segments_that_hold_markers_and_scans_with_restarts_are_read() -> None:
    restarts = bytes(cv2.imencode(".jpg", scene(), [cv2.IMWRITE_JPEG_RST_INTERVAL, 1])[1])
    assert b"\xff\xd0" in restarts
    for whole in (restarts, jpeg(comment=b"\xff\xd9 \xff\xda" * 50), b"\xff\xd8\xff\xff" + jpeg()[3:]):
        decode_image(whole, record(), PATH)
    for part in (restarts[:-2], jpeg(comment=b"\xff\xd9" * 50)[:-2]):
        with pytest.raises(UserError, match="truncated"):
            decode_image(part, record(), PATH)


def test_a_whole_png_with_a_trailer_is_read() -> None:
    whole = encoded(Image.fromarray(scene()), "PNG")
    assert np.array_equal(decode_image(whole + b"more" * 99, record(), PATH), decode_image(whole, record(), PATH))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_few_bits_in_a_16_bit_file_are_refused_and_16_are_read(suffix: str, bits: int) -> None:
    grey = scene()[:, :, 0].astype(np.uint16)
    with pytest.raises(UserError, match=r"has uint16 numbers up to \d+, .* too dark. Scale its numbers"):
        decode_image(bytes(cv2.imencode(suffix, grey << (bits - 8))[1]), record(), PATH)
    pixels = decode_image(bytes(cv2.imencode(suffix, grey << 8)[1]), record(), PATH)
    assert np.abs(pixels[:, :, 0].astype(int) - grey).max() <= 1
    decode_image(bytes(cv2.imencode(suffix, np.zeros_like(grey))[1]), record(), PATH)  # black is sound


def test_few_bits_beside_an_opacity_of_16_are_refused() -> None:
    colours = scene().astype(np.uint16) << 4
    opacity = np.full((HEIGHT, WIDTH, 1), 65535, np.uint16)
    with pytest.raises(UserError, match="too dark"):
        decode_image(bytes(cv2.imencode(".png", np.concatenate([colours, opacity], axis=2))[1]), record(), PATH)


@pytest.mark.parametrize("factor", [256, 257])
def test_a_dark_picture_of_8_bits_in_a_16_bit_file_is_read(factor: int) -> None:
    dark = scene()[:, :, 0] // 5  # below a quarter of full brightness, as a sensor's 14 bits would be
    pixels = decode_image(bytes(cv2.imencode(".png", dark.astype(np.uint16) * factor)[1]), record(), PATH)
    assert np.array_equal(pixels[:, :, 0], dark)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\0\0\0\x20ftypheic" + bytes(40), "it is HEIC, whatever its name says; convert it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it is a Git LFS pointer"),
        (b"<!doctype html><title>404</title>", "it is a page of HTML"),
    ],
)
def test_what_some_take_for_images_is_named(data: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        decode_image(data, record(), PATH)


@pytest.mark.parametrize("data", [b"GIF", b"<html>not found</html>", b"\xff\xd8\xff", bytes(1000)])
def test_what_is_no_image_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(UserError, match=r"picture\.jpg is not an image"):
        decode_image(data, record(), PATH)


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (20_000, 20_000), (9_000, 9_000)])
def test_absurd_sizes_are_refused_from_the_header_alone(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    huge = ImageRecord(1, "picture.jpg", width, height, "")
    with pytest.raises(UserError, match=rf"more than {MAX_IMAGE_PIXELS // 10**6} million pixels"):
        decode_image(png_header(width, height), huge, PATH)


def test_another_size_than_annotated_is_refused_with_both_sizes() -> None:
    wrong = ImageRecord(1, "picture.jpg", HEIGHT, WIDTH, "")
    with pytest.raises(UserError, match=f"picture.jpg is {WIDTH}x{HEIGHT} .* {HEIGHT}x{WIDTH}"):
        decode_image(jpeg(), wrong, PATH)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    for name, words in (("none", "does not exist"), ("empty", "is empty"), ("folder", "cannot be read")):
        with pytest.raises(UserError, match=rf"{name}\.jpg {words}"):
            read_image(tmp_path / f"{name}.jpg")


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(jpeg(0))
    listed = record(sha256=hashlib.sha256(jpeg(0)).hexdigest())
    load_image(tmp_path, listed, 8, "rgb")
    (tmp_path / "picture.jpg").write_bytes(jpeg(1))
    with pytest.raises(UserError, match="changed since the image list was made"):
        load_image(tmp_path, listed, 8, "rgb")


@given(place=st.integers(0, 600), change=st.binary(min_size=1, max_size=40), cut=st.integers(0, 900))
def test_damaged_bytes_give_pixels_or_a_sentence(place: int, change: bytes, cut: int) -> None:
    data = jpeg()
    data = (data[:place] + change + data[place + len(change) :])[: len(data) - cut]
    try:
        assert decode_image(data, record(), PATH).shape == (HEIGHT, WIDTH, 3)
    except UserError as error:
        assert "picture.jpg" in str(error)


def write_images(folder: Path, count: int) -> list[ImageRecord]:
    records = [ImageRecord(i, f"{i}.jpg", WIDTH, HEIGHT, "") for i in range(count)]
    for item in records:
        (folder / item.file_name).write_bytes(jpeg(item.id))
    return records


@pytest.mark.parametrize("workers", [1, 3])
def test_loading_ahead_gives_the_same_images_in_order(tmp_path: Path, workers: int) -> None:
    records = write_images(tmp_path, 20)
    loaded = list(load_images(tmp_path, records, 16, "rgb", workers))
    assert [item for item, _ in loaded] == records
    for item, pixels in loaded:
        assert pixels.shape == (16, 16, 3)
        assert np.array_equal(pixels, load_image(tmp_path, item, 16, "rgb"))


def test_an_unreadable_image_is_reported_at_its_place(tmp_path: Path) -> None:
    records = write_images(tmp_path, 10)
    (tmp_path / "6.jpg").write_bytes(b"")
    seen = []
    with pytest.raises(UserError, match=r"6\.jpg is empty"):
        for item, _ in load_images(tmp_path, records, 16, "rgb", workers=3):
            seen.append(item.id)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_few_images_are_held_and_leaving_early_ends_the_threads(tmp_path: Path) -> None:
    records = write_images(tmp_path, 40)
    asked = 0

    def counted() -> Iterator[ImageRecord]:
        nonlocal asked
        for item in records:
            asked += 1
            yield item

    images = load_images(tmp_path, counted(), 16, "rgb", workers=2)
    for taken, _ in enumerate(images, start=1):
        assert asked <= taken + 4 * 2
        if taken == 5:
            break
    images.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("load-image")]
    assert asked < len(records)
