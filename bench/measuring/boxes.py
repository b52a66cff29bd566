"""Post-processing of one image's heads, on one core, against a plain reference."""

from __future__ import annotations

import time
from statistics import median

from measuring.cells import Target
from measuring.plain_nms import plain_suppress
from measuring.table import Measurement, at_least, at_most, holds
from measuring.workers import Result, Work, once
from ssdbench.boxes.coordinates import clip, decode, to_pixels
from ssdbench.boxes.decoding import detections_of
from ssdbench.boxes.outputs import Heads
from ssdbench.images.pixels import load_image

BAR_MS = 0.5
_PLAIN = 16  # images that the plain reference takes: some tenths of a second each


def measure_boxes(target: Target, images: int, rounds: int) -> Measurement:
    """Decode and per-class NMS of the real heads of so many images."""
    raw = once(_boxes, target, images, rounds)
    fast = median(raw["fast_ms"])
    plain = median(raw["plain_ms"]) / fast
    return Measurement(
        "Post-processing of one image",
        f"Box decoding and per-class NMS (score above {target.nms['score']:g}, IoU {target.nms['iou']:g}, "
        f"{target.nms['max']:g} kept) on the heads that {target.name} gives for {raw['images']} images, on one core, "
        f"in rotation; {len(raw['fast_ms'])} calls. The plain reference goes through all scores one by one.",
        [
            at_most("milliseconds per image (median)", fast, BAR_MS, "", "ms"),
            at_least("times faster than the plain reference", plain, 1),
            holds(f"the same boxes as the plain reference on {raw['plain_images']} images", raw["equal"]),
        ],
        raw,
    )


def _boxes(target: Target, images: int, rounds: int) -> Work:
    """The work: {images, plain_images, equal, fast_ms, plain_ms}, a time for each call."""
    session, decoding = target.open(1), target.decoding
    assert decoding is not None and decoding.anchors is not None, "heads of encodings are measured"
    anchors = decoding.anchors
    records = target.images.images[:images]
    heads = []
    for record in records:
        output = session.run(load_image(target.images.folder, record, target.size, target.channel_order)[None])
        assert isinstance(output, Heads)
        heads.append(Heads(output.encodings.copy(), output.scores.copy()))

    def work() -> Result:
        fast = []
        for _ in range(rounds + 1):
            for record, one in zip(records, heads, strict=True):
                start = time.perf_counter_ns()
                detections_of(one, [(record.width, record.height)], decoding)
                fast.append((time.perf_counter_ns() - start) / 1e6)
        plain, equal = [], True
        for record, one in zip(records[:_PLAIN], heads[:_PLAIN], strict=True):
            start = time.perf_counter_ns()
            kept = plain_suppress(one.encodings[0], one.scores[0], anchors, decoding.box_coder, decoding.nms)
            plain.append((time.perf_counter_ns() - start) / 1e6)
            (found,) = detections_of(one, [(record.width, record.height)], decoding)
            class_ids, rows = (list(column) for column in zip(*kept, strict=True))
            corners = clip(decode(one.encodings[0], anchors, decoding.box_coder))[rows]
            equal &= found.class_ids.tolist() == class_ids
            equal &= found.scores.tolist() == one.scores[0][rows, class_ids].tolist()
            equal &= found.boxes.tolist() == to_pixels(corners, record.width, record.height).tolist()
        return {
            "images": len(records),
            "plain_images": len(plain),
            "equal": equal,
            "fast_ms": fast[len(records) :],  # the first round warms up
            "plain_ms": plain,
        }

    return work
