"""Image files to network pixels: one decoder and one resize, the same for every framework.

Arrays in this module are uint8. Full images are [H, W, 3] in OpenCV's BGR order and in stored pixels, as
COCO's boxes are; network pixels are [S, S, 3] in the order asked for.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from ssdbench.arrays import UInt8
from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError

ChannelOrder = Literal["rgb", "bgr"]

# 80 megapixels decode to 240 MB; Pillow itself begins to suspect a decompression bomb a little above.
MAX_IMAGE_PIXELS = 80_000_000
_MAX_FILE_BYTES = 256 << 20

_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


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


def stored_size(data: bytes, path: Path) -> tuple[int, int]:
    """Width and height in stored pixels (EXIF rotation not applied), from the header of an encoded image.

    Raises:
        UserError: `data` is not an image, or has more than MAX_IMAGE_PIXELS. `path` is only named in it.
    """
    too_large = (
        f"Image {path} has more than {MAX_IMAGE_PIXELS // 1_000_000} million pixels{{}}. "
        "Leave it out of the dataset, or store it smaller."
    )
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(too_large.format("")) from error
    except Exception as error:  # Pillow's readers raise errors of many types on hostile bytes
        raise UserError(f"{path} is not an image that can be read. Replace it, or leave it out.") from error
    if width * height > MAX_IMAGE_PIXELS:
        raise UserError(too_large.format(f" ({width}x{height})"))
    return width, height


def decode_image(data: bytes, record: ImageRecord, path: Path) -> UInt8:
    """Decode an encoded image to BGR [height, width, 3], in stored orientation, grey and CMYK included.

    A JPEG that breaks off is refused, also where the decoder would fill the rest with grey.

    Raises:
        UserError: not an image, too large, damaged or truncated, or its size is not the record's.
    """
    size = stored_size(data, path)
    if size != (record.width, record.height):
        raise UserError(
            f"Image {path} is {size[0]}x{size[1]} pixels, but its annotation says {record.width}x"
            f"{record.height}. Use the image files that belong to the annotations."
        )
    pixels: UInt8 | None = None
    # Neither marker can occur within compressed data, so a scan without an end after it has broken off.
    if not (data.startswith(_JPEG_START) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN)):
        with suppress(cv2.error):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape != (record.height, record.width, 3):
        raise UserError(f"Image {path} is truncated or damaged. Fetch or copy it again.")
    return pixels


def resize_image(bgr: UInt8, size: int, channel_order: ChannelOrder) -> UInt8:
    """Resize BGR [H, W, 3] bilinearly to [size, size, 3], the aspect ratio not kept, in `channel_order`."""
    small: UInt8 = cv2.resize(bgr, (size, size), interpolation=cv2.INTER_LINEAR)
    if channel_order == "rgb":
        small = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
    return small


def load_image(folder: Path, record: ImageRecord, size: int, channel_order: ChannelOrder) -> UInt8:
    """Read, check, decode and resize one image to network pixels [size, size, 3].

    Raises:
        UserError: as `read_image` and `decode_image` say.
    """
    path = folder / record.file_name
    bgr = decode_image(read_image(path, record.sha256), record, path)
    return resize_image(bgr, size, channel_order)


def load_images(
    folder: Path,
    records: Iterable[ImageRecord],
    size: int,
    channel_order: ChannelOrder,
    workers: int = 1,
) -> Iterator[tuple[ImageRecord, UInt8]]:
    """Yield each record with its network pixels [size, size, 3], in order, loaded ahead in `workers` threads.

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
