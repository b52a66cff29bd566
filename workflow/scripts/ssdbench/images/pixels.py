"""Image files to network pixels: one decoder and one resize, the same for every framework.

Arrays in this module are uint8. Full images are [H, W, 3] in OpenCV's BGR order, turned as their record says, as its
boxes are; network pixels are [H, W, 3] of the network's size, in the order asked for.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssdbench.arrays import UInt8
from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.images.orientation import StoredForm, turned, turned_back

ChannelOrder = Literal["rgb", "bgr"]
PixelSize = int | tuple[int, int]  # the side of a square, or height and width

# 80 megapixels decode to 240 MB; Pillow itself begins to suspect a decompression bomb a little above.
MAX_IMAGE_PIXELS = 80_000_000
_MAX_FILE_BYTES = 256 << 20

_EXIF_ORIENTATION = 0x0112

_JPEG_START, _JPEG_END = b"\xff\xd8", 0xD9
# In compressed data, FF 00 is a byte of the data and FF D0 to FF D7 are restarts.
_JPEG_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_JPEG_WITHOUT_LENGTH = (0x01, 0xD8)
_PNG_START, _PNG_DEPTH = b"\x89PNG\r\n\x1a\n", 24  # the byte that holds the bits of a sample
_TIFF_STARTS = (b"II*\0", b"MM\0*")
# Sensors give 10, 12 or 14 bits, which 16-bit files often hold unscaled.
_SENSOR_BITS = 14


def read_image(path: Path, sha256: str = "") -> bytes:
    """Read an encoded image; `sha256` in hex is what its bytes must hash to, "" for unknown.

    Raises:
        UserError: the file is missing, unreadable, empty, far too big, or its hash is another.
    """
    try:
        with path.open("rb") as file:
            # By its size: a read of as much as there may be would set aside so much memory first.
            data = file.read(min(os.fstat(file.fileno()).st_size, _MAX_FILE_BYTES) + 1)
    except FileNotFoundError as error:
        raise UserError(f"Image {path} does not exist. Restore it, or make the image list again.") from error
    except OSError as error:
        raise UserError(f"Image {path} cannot be read: {error.strerror}.") from error
    if not data:
        raise UserError(f"Image {path} is empty. Fetch or copy it again.")
    if len(data) > _MAX_FILE_BYTES:
        raise UserError(f"Image {path} has over {_MAX_FILE_BYTES >> 20} MB. Leave it out of the dataset.")
    if sha256 and hashlib.sha256(data).hexdigest() != sha256:
        raise UserError(
            f"Image {path} has changed since the image list was made. Restore it, or make the image list again."
        )
    return data


def stored_form(data: bytes, path: Path) -> StoredForm:
    """Size in stored pixels and EXIF orientation, from the header of an encoded image.

    Raises:
        UserError: `data` is not an image, or has more than MAX_IMAGE_PIXELS. `path` is only named in it.
    """
    too_large = (
        f"Image {path} has more than {MAX_IMAGE_PIXELS // 1_000_000} million pixels{{}}. "
        "Leave it out of the dataset, or store it smaller."
    )
    try:
        with Image.open(io.BytesIO(data)) as image:
            form = StoredForm(*image.size, _orientation(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(too_large.format("")) from error
    except Exception as error:  # Pillow's readers raise errors of many types on hostile bytes
        what = _other_content(data)
        raise UserError(f"{path} is not an image that can be read{what}. Replace it, or leave it out.") from error
    if form.width * form.height > MAX_IMAGE_PIXELS:
        raise UserError(too_large.format(f" ({form.width}x{form.height})"))
    if data.startswith(_TIFF_STARTS):  # Pillow gives the size of the turned image
        return StoredForm(*form.displayed_size, form.orientation)
    return form


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF makes no image unreadable, and viewers do not turn it either
        return 1
    return value if value in range(1, 9) else 1


def _other_content(data: bytes) -> str:
    """What a file holds that some take for an image, in words; "" for nothing known."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return ": it is HEIC, whatever its name says; convert it to JPEG"
    if data.startswith(b"version https://git-lfs"):
        return ": it is a Git LFS pointer; run `git lfs pull` where it comes from"
    if data.lstrip()[:1] == b"<":
        return ": it is a page of HTML or XML, such as a server's answer in place of the image"
    return ""


def decode_image(data: bytes, record: ImageRecord, path: Path) -> UInt8:
    """Decode an encoded image to BGR [height, width, 3], turned as the record says, grey and CMYK included.

    What follows the end of a JPEG, such as the video of a motion photo, is ignored. A JPEG that breaks off is refused,
    also where the decoder would fill the rest with grey.

    Raises:
        UserError: not an image, too large, damaged or truncated, of other bits than it states, or its size is not the
            record's.
    """
    form = stored_form(data, path)
    check_size(form, record, path)
    pixels: UInt8 | None = None
    if not data.startswith(_JPEG_START) or _jpeg_is_whole(data):
        with suppress(cv2.error):
            buffer = np.frombuffer(data, np.uint8)
            pixels = cv2.imdecode(buffer, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
            _check_bits(data, buffer, path)
    if pixels is not None and data.startswith(_TIFF_STARTS):  # OpenCV turns TIFF whatever it is told
        pixels = turned_back(pixels, form.orientation)
    if pixels is None or pixels.shape != (form.height, form.width, 3):
        raise UserError(f"Image {path} is truncated or damaged. Fetch or copy it again.")
    return turned(pixels, record.orientation)


def check_size(form: StoredForm, record: ImageRecord, path: Path) -> None:
    """Make sure that an image file, turned as its record says, has the record's size.

    Raises:
        UserError: it has another.
    """
    is_turned = record.orientation != 1
    size, other = form.displayed_size, (form.width, form.height)
    if not is_turned:
        size, other = other, size
    if size == (record.width, record.height):
        return
    remedy = "Use the image files that belong to the annotations."
    if form.orientation != 1 and other == (record.width, record.height):
        word = "stored" if is_turned else "displayed"
        remedy = (
            f"It carries an EXIF rotation, and the annotation is of the {word} pixels: state the orientation {word}."
        )
    raise UserError(
        f"Image {path} is {size[0]}x{size[1]} pixels{' when turned' if is_turned else ''}, but its annotation says "
        f"{record.width}x{record.height}. {remedy}"
    )


def _jpeg_is_whole(data: bytes) -> bool:
    """Whether a JPEG reaches its own end marker, whatever follows; markers inside of segments are not looked at."""
    place = len(_JPEG_START)
    while found := _JPEG_MARKER.search(data, place):
        marker, place = found[1][0], found.end()
        if marker == _JPEG_END:
            return True
        if marker not in _JPEG_WITHOUT_LENGTH:
            place += int.from_bytes(data[place : place + 2])
    return False


def _check_bits(data: bytes, buffer: UInt8, path: Path) -> None:
    """Refuse a 16-bit file with numbers of fewer bits: scaled as 16 bits are, it would come out too dark.

    A dark picture of 16 bits cannot be told from a bright one of a sensor's bits, and is refused too. One that was made
    from 8 bits can: its two bytes are alike, or the lower one is 0.
    """
    if not (
        data.startswith(_TIFF_STARTS) or (data.startswith(_PNG_START) and data[_PNG_DEPTH : _PNG_DEPTH + 1] == b"\x10")
    ):
        return
    whole = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    if whole is None or whole.dtype == np.uint8:
        return
    if whole.ndim == 3:
        whole = whole[:, :, :3]  # opacity is of 16 bits whatever the colours are
    largest = float(whole.max())
    if whole.dtype != np.uint16 or (0 < largest < 2**_SENSOR_BITS and not _is_scaled_from_8_bits(whole)):
        raise UserError(
            f"Image {path} has {whole.dtype} numbers up to {largest:g}, and 16-bit images go up to 65535: it would "
            "come out too dark. Scale its numbers to 16 bits; or, if it is as dark as that, store it in 8 bits."
        )


def _is_scaled_from_8_bits(whole: NDArray[np.uint16]) -> bool:
    low, high = whole & 0xFF, whole >> 8
    return bool((low == 0).all() or (low == high).all())


def sides(size: PixelSize) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def resize_image(bgr: UInt8, size: PixelSize, channel_order: ChannelOrder) -> UInt8:
    """Resize BGR [H, W, 3] bilinearly to `size`, the aspect ratio not kept, in `channel_order`."""
    height, width = sides(size)
    small: UInt8 = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_LINEAR)
    if channel_order == "rgb":
        small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
    return small


def load_image(folder: Path, record: ImageRecord, size: PixelSize, channel_order: ChannelOrder) -> UInt8:
    """Read, check, decode and resize one image to network pixels [*size, 3].

    Raises:
        UserError: as `read_image` and `decode_image` say.
    """
    path = folder / record.file_name
    bgr = decode_image(read_image(path, record.sha256), record, path)
    return resize_image(bgr, size, channel_order)


def load_images(
    folder: Path,
    records: Iterable[ImageRecord],
    size: PixelSize,
    channel_order: ChannelOrder,
    workers: int = 1,
) -> Iterator[tuple[ImageRecord, UInt8]]:
    """Yield each record with its network pixels [*size, 3], in order, loaded ahead in `workers` threads.

    At most 4 x `workers` images are loaded and waiting, so memory is bounded. Each worker works with as many
    threads as cv2.setNumThreads allows: the process that measures sets it to 1.

    Raises:
        UserError: at the place of the image that cannot be loaded, after all images before it.
    """
    remaining = iter(records)
    waiting: deque[tuple[ImageRecord, Future[UInt8]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="load-image")

    def start(count: int) -> None:
        for record in islice(remaining, count):
            waiting.append((record, pool.submit(load_image, folder, record, size, channel_order)))

    try:
        start(4 * workers)
        while waiting:
            record, loading = waiting.popleft()
            pixels = loading.result()
            start(1)
            yield record, pixels
    finally:
        pool.shutdown(cancel_futures=True)
