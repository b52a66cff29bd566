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
from ssdbench.seen import Recorder


def head_decoding(card: Mapping[str, Any], nms: Mapping[str, float]) -> HeadDecoding | None:
    """What turns an artifact's output into detections of COCO's classes, from its card; None where it is nothing."""
    class_ids = np.asarray(card["class_ids"], np.int64) if card.get("class_ids") else None
    if card["graph_kind"] != "heads":
        return None if class_ids is None else HeadDecoding(np.empty((0, 4), np.float32), (), NmsSettings(), class_ids)
    settings = NmsSettings(score=nms["score"], iou=nms["iou"], max=int(nms["max"]))
    return HeadDecoding(np.asarray(card["anchors"], np.float32), tuple(card["box_coder"]), settings, class_ids)


def detect(
    session: Session,
    folder: Path,
    records: Sequence[ImageRecord],
    size: int,
    channel_order: ChannelOrder,
    decoding: HeadDecoding | None,
    recorder: Recorder | None = None,
) -> Iterator[tuple[ImageRecord, Found]]:
    """Yield each image's detections, in order; images are decoded ahead in a worker thread.

    Args:
        session: runs the artifact.
        folder, records: the images.
        size, channel_order: of the pixels that are fed.
        decoding: needed for heads.
        recorder: takes down what is fed and what comes back, where that is wanted.

    Raises:
        UserError: an image cannot be used, or the network returns what cannot be detections.
    """
    for record, pixels in load_images(folder, records, size, channel_order):
        output = session.run(pixels[np.newaxis])
        if recorder:
            recorder.add(record.id, pixels, output)
        (found,) = detections_of(output, [(record.width, record.height)], decoding)
        yield record, found


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
