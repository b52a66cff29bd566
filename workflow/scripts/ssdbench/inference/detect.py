"""Detections of a list of images by one cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.boxes.nms import NmsSettings
from ssdbench.boxes.output_form import OutputForm
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.protocols import Protocol
from ssdbench.coco.categories import Category, ClassTable, class_table
from ssdbench.coco.detections import Detection
from ssdbench.coco.image_list import ImageList, ImageRecord
from ssdbench.errors import UserError
from ssdbench.images.pixels import ChannelOrder, PixelSize, load_image, load_images
from ssdbench.inference.trace import Recorder
from ssdbench.runtimes.base import Session

# Images that a stream is handed at once, and that go through each stage together where one thread does it all: what a
# stage needs stays in the core's caches. Against all stages image by image, a pass of an int8 network takes a twentieth
# less core time.
_IMAGES_OF_A_STREAM = 8


def detect(
    session: Session,
    folder: Path,
    records: Sequence[ImageRecord],
    size: PixelSize,
    channel_order: ChannelOrder,
    decoding: HeadDecoding | None,
    recorder: Recorder | None = None,
    ahead: int = 0,
) -> Iterator[tuple[ImageRecord, Found]]:
    """Yield each image's detections, in order.

    Args:
        session: runs the artifact.
        folder, records: the images.
        size, channel_order: of the pixels that are fed.
        decoding: needed for heads.
        recorder: takes down what is fed and what comes back, where that is wanted.
        ahead: threads that decode ahead, while another post-processes; the output of all records may then be in
            memory at once. 0: everything in this thread, stage by stage for a few images.

    Raises:
        UserError: an image cannot be used, or the network returns what cannot be detections.
    """

    def outputs(loaded: Iterable[tuple[ImageRecord, UInt8]]) -> Iterator[tuple[ImageRecord, UInt8, Heads | Finished]]:
        for record, pixels in loaded:
            yield record, pixels, session.run(pixels[np.newaxis])

    def finish(one: tuple[ImageRecord, UInt8, Heads | Finished]) -> tuple[ImageRecord, Found]:
        record, pixels, output = one
        if recorder:
            recorder.add(record.id, pixels, decoding.standard(output) if decoding else output)
        (found,) = detections_of(output, [(record.width, record.height)], decoding)
        return record, found

    if not ahead:
        for start in range(0, len(records), _IMAGES_OF_A_STREAM):
            block = records[start : start + _IMAGES_OF_A_STREAM]
            loaded = [(record, load_image(folder, record, size, channel_order)) for record in block]
            yield from map(finish, list(outputs(loaded)))
        return
    with ThreadPoolExecutor(1, thread_name_prefix="finish") as pool:
        yield from pool.map(finish, outputs(load_images(folder, records, size, channel_order, ahead)))


def detections(found: Iterable[tuple[ImageRecord, Found]]) -> Iterator[Detection]:
    """The rows of detections.json, image by image, best first."""
    for record, one in found:
        yield from rows_of(record.id, one)


def table_of_card(card: Mapping[str, Any], categories: Sequence[Category]) -> ClassTable:
    """Which category each class of an artifact is: as its card states, or by the class names that its card has.

    Raises:
        UserError: the classes do not fit the annotations' categories.
    """
    return class_table(categories, card.get("class_ids"), card.get("labels"), card.get("class_numbers"))


def head_decoding(
    card: Mapping[str, Any], nms: Mapping[str, float], categories: Sequence[Category] = ()
) -> HeadDecoding:
    """What turns an artifact's output into detections of the annotations' categories, from its card.

    Raises:
        UserError: the classes do not fit the categories.
    """
    table = table_of_card(card, categories)
    if card["graph_kind"] != "heads":
        return with_classes(HeadDecoding(np.empty((0, 4), np.float32), (), NmsSettings()), table)
    settings = NmsSettings(score=nms["score"], iou=nms["iou"], max=int(nms["max"]))
    anchors = None if card["anchors"] is None else np.asarray(card["anchors"], np.float32)
    form = OutputForm(**(card.get("form") or {}))
    decoding = HeadDecoding(anchors, tuple(card["box_coder"]), settings, form=form, size=fed_size(card))
    return with_classes(decoding, table)


def with_classes(decoding: HeadDecoding, table: ClassTable) -> HeadDecoding:
    """The same, with class numbers turned into the categories' ids."""
    ids = None if table.ids is None else np.array(table.ids, np.int64)
    known = None if table.known is None else np.array(sorted(table.known), np.int64)
    return replace(decoding, class_ids=ids, categories=known)


def fed_size(card: Mapping[str, Any], how: Protocol | None = None) -> tuple[int, int]:
    """Height and width of the pixels that an artifact is fed: the protocol's, or else its own."""
    if how is not None and how.input_size:
        return how.input_size, how.input_size
    size = card["input_size"]
    return (size, size) if isinstance(size, int) else (size[0], size[1])


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


def rows_of(image_id: int, found: Found) -> Iterator[Detection]:
    """The rows of one image for a detections file."""
    columns = zip(found.class_ids.tolist(), found.boxes.tolist(), found.scores.tolist(), strict=True)
    for class_id, (x, y, width, height), score in columns:
        yield Detection(image_id, class_id, (x, y, width, height), score)
