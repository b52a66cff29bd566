"""Cells for timings in real processes, with a network of which one knows what it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.coco.image_list import ImageRecord
from ssdbench.images.pixels import resize_image
from ssdbench.runtimes.base import InputForm, Session
from ssdbench.runtimes.output_ports import HEADS_OUTPUTS, Ports
from ssdbench.timing.cell_turns import CellWork, OpenCell

SIZE = 16


class WorkingSession(Session):
    """Multiplies small matrices for every image; `trouble` is called with the number of the call."""

    def __init__(self, products: int, trouble: Callable[[int], None]) -> None:
        form = InputForm("pixels", None, (SIZE, SIZE), False, None, "uint8 pixels")
        super().__init__(Path("model.bin"), 1, Ports("heads", HEADS_OUTPUTS), form)
        self._products, self._trouble, self._calls = products, trouble, 0
        self._matrix = np.eye(32, dtype=np.int64)  # of whole numbers: no library's threads

    def infer(self, pixels: UInt8) -> Heads | Finished:
        self._calls += 1
        self._trouble(self._calls)
        for _ in range(self._products * len(pixels)):
            self._matrix @ self._matrix
        full = np.full((len(pixels), 6, 4), 0.5, np.float32)
        return Heads(full, full)

    def facts(self) -> dict[str, Any]:
        return {"runtime": "working"}


def no_trouble(call: int) -> None:
    """Nothing happens."""


def cell(
    products: int = 20,
    trouble: Callable[[int], None] = no_trouble,
    load: Callable[[], None] = lambda: None,
    streams: int = 1,
    cores: tuple[int, ...] = (),
) -> CellWork:
    """A cell whose query takes about as long as this many products. load: called when it is loaded."""

    def prepare() -> Callable[[], OpenCell]:
        def opened() -> OpenCell:
            load()
            sessions = [WorkingSession(products, trouble) for _ in range(streams)]
            return OpenCell(sessions, lambda image: resize_image(image, SIZE, "rgb"), lambda output, records: None)

        return opened

    return CellWork(prepare, pictures(5), 1, cores)


def pictures(count: int) -> list[tuple[ImageRecord, bytes]]:
    """Images in memory, each of another grey."""
    made = []
    for number in range(count):
        image = np.full((24, 32, 3), 10 * number, np.uint8)
        made.append((ImageRecord(number, f"{number}.png", 32, 24, ""), cv2.imencode(".png", image)[1].tobytes()))
    return made
