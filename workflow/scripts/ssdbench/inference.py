"""The accuracy pass: images in order through one session, detections out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.coco import Detection, ImageList, ImageRecord
from ssdbench.errors import UserError
from ssdbench.nms import NmsSettings
from ssdbench.pixels import ChannelOrder, load_images
from ssdbench.postprocess import Found, HeadDecoding, detections_of, rows_of
from ssdbench.runtimes.base import Session


def head_decoding(card: Mapping[str, Any], nms: Mapping[str, float]) -> HeadDecoding | None:
    """What turns an artifact's heads into boxes, from its card; None for graphs that finish them."""
    if card["graph_kind"] != "heads":
        return None
    settings = NmsSettings(score=nms["score"], iou=nms["iou"], max=int(nms["max"]))
    return HeadDecoding(np.asarray(card["anchors"], np.float32), tuple(card["box_coder"]), settings)


def detect(
    session: Session,
    folder: Path,
    records: Sequence[ImageRecord],
    size: int,
    channel_order: ChannelOrder,
    decoding: HeadDecoding | None,
    batch: int = 1,
) -> Iterator[tuple[ImageRecord, Found]]:
    """Yield each image's detections, in order; images are decoded ahead in a worker thread.

    The last batch is filled up with its last image, so that graphs of a fixed batch take it.

    Raises:
        UserError: an image cannot be used, or the network returns what cannot be detections.
    """
    images = load_images(folder, records, size, channel_order)
    waiting = []
    for number, (record, pixels) in enumerate(images, start=1):
        waiting.append((record, pixels))
        if len(waiting) < batch and number < len(records):
            continue
        fed = [pixels for _, pixels in waiting]
        fed += [fed[-1]] * (batch - len(fed))
        output = session.run(np.stack(fed))
        found = detections_of(output, [(r.width, r.height) for r, _ in waiting], decoding)
        yield from zip((record for record, _ in waiting), found, strict=True)
        waiting = []


def detections(found: Iterable[tuple[ImageRecord, Found]]) -> Iterator[Detection]:
    """The rows of detections.json, image by image, best first."""
    for record, one in found:
        yield from rows_of(record.id, one)


def check_not_calibrated_with(card: Mapping[str, Any], images: ImageList) -> None:
    """Make sure that no image to evaluate is among those an artifact was calibrated with.

    Raises:
        UserError: one is, by its content.
    """
    calibration = card.get("calibration")
    if not calibration:
        return
    used = {image["sha256"]: image["file_name"] for image in calibration["images"]}
    for record in images.images:
        if record.sha256 in used:
            raise UserError(
                f"The evaluation image {record.file_name} was used for calibration (as {used[record.sha256]}), so the "
                "accuracy of this cell would be flattered. Give other calibration images."
            )
