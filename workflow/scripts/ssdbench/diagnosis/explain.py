"""Says whether a cell needs an explanation, and what explains it.

There are two questions, in this order: why does the cell depart from its reference, and why is its AP not the expected
one? Most cells raise neither; then nothing is run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ssdbench.arrays import spread
from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.catalog.protocols import Protocol
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.diagnosis.int8_loss import Int8Loss
from ssdbench.diagnosis.usual_causes import (
    LEAST_SHORTFALL,
    Cause,
    Change,
    Diagnosis,
    FoundByImage,
    Stored,
    Trial,
    cut_off,
    gap_to_detections,
    gap_to_expected,
    try_causes,
    usual_causes,
)
from ssdbench.evaluation.bootstrap import draw
from ssdbench.evaluation.coco_matching import match
from ssdbench.images.pixels import ChannelOrder, PixelSize, decode_image, read_image, resize_image
from ssdbench.inference.detect import rows_of
from ssdbench.runtimes.base import Session

DEPARTURE_IMAGES, EXPECTED_IMAGES = 24, 48

Sizes = Mapping[int, tuple[int, int]]  # width and height by image id
Run = Callable[[Change | None], FoundByImage]

_SEEN = "seen images: the checkpoint was trained on part of these images"


@dataclass(frozen=True)
class Explanation:
    """The explanation of a cell.

    asked: what the cell was compared with, "" if there is nothing to explain. sentence: the answer, which may be that
    no usual cause fits; of an int8 cell also what is special about its file. causes: names of those that fit. images:
    how many were tried. gap: what is to be explained; trials: the result for each cause; see `usual_causes.Diagnosis`.
    int8: of an int8 cell, what its card says.
    """

    asked: Literal["", "reference", "expected"] = ""
    sentence: str = ""
    causes: tuple[str, ...] = ()
    images: int = 0
    gap: float = 0.0
    trials: tuple[Trial, ...] = ()
    int8: Int8Loss | None = None

    def with_int8(self, loss: Int8Loss | None, departs: bool) -> Explanation:
        """The explanation of an int8 cell: unless a usual cause fits, its file and its layers are named.

        departs: whether it departs from its reference, if only by a little.
        """
        if loss is None:
            return self
        if self.causes:
            return replace(self, int8=loss)
        start = {"": "", "reference": "No usual cause fits. "}.get(self.asked, f"{self.sentence} ")
        asked = self.asked or ("reference" if departs else "")
        return replace(self, asked=asked, sentence=start + loss.sentence, int8=loss)


@dataclass(frozen=True)
class ExpectedAP:
    """The AP expected of a cell, 0 to 1, on `all` images or the `held_out` part, its source, and the cell's own AP."""

    AP: float
    tolerance: float
    source: str
    part: str
    ours: float
    is_outside: bool


def departs(parity: Mapping[str, Any] | None) -> bool:
    """Whether a parity record says that the cell departs from its reference."""
    return bool(parity and parity["status"] == "ok" and parity["first_departure"])


def against_expected(
    expected: Mapping[str, Any] | None, metrics: Mapping[str, Any] | None, parts: Mapping[str, Any] | None
) -> ExpectedAP | None:
    """A cell's AP and the expected one; None if no AP is expected or none was measured.

    Args:
        expected: AP, tolerance, source and part of a registry row.
        metrics, parts: the cell's records of these names.
    """
    if not expected:
        return None
    measured = (parts or {}).get("held_out") if expected["part"] == "held_out" else (metrics or {}).get("metrics")
    ours = (measured or {}).get("AP")
    if ours is None:
        return None
    said = {key: expected[key] for key in ("AP", "tolerance", "source", "part")}
    return ExpectedAP(**said, ours=ours, is_outside=abs(ours - said["AP"]) > said["tolerance"])


def images_to_try(records: Sequence[ImageRecord], most: int, first: Collection[int] = ()) -> list[ImageRecord]:
    """Up to `most` images, spread over the list.

    first: ids of images, the most telling first. Up to a third of the images are taken from these, so that a fault in
    a few images shows.
    """
    by_id = {record.id: record for record in records}
    chosen = [by_id[image_id] for image_id in list(first)[: most // 3] if image_id in by_id]
    rest = [record for record in records if record not in chosen]
    return [*chosen, *(rest[index] for index in spread(len(rest), most - len(chosen)))]


def run_changed(
    session: Session,
    folder: Path,
    records: Sequence[ImageRecord],
    size: PixelSize,
    channel_order: ChannelOrder,
    decoding: HeadDecoding | None,
    causes: Sequence[Cause],
) -> Run:
    """Detect objects in images, unchanged and with each change of pixels that the causes make.

    Each image is decoded once, and only one is in memory at a time.

    Args:
        session: runs the artifact. folder, records: the images. size, channel_order: of the pixels
            that are fed.
        decoding: needed for heads.

    Returns:
        a function that returns the detections of a change.

    Raises:
        UserError: an image cannot be used, or the network's output cannot be detections.
    """
    found: dict[Change | None, dict[int, Found]] = {change: {} for change in (None, *(c.pixels for c in causes))}
    for record in records:
        path = folder / record.file_name
        data = read_image(path, record.sha256)
        stored = Stored(data, decode_image(data, record, path), size)
        for change, of_change in found.items():
            pixels = resize_image(change(stored) if change else stored.bgr, size, channel_order)
            output = session.run(pixels[np.newaxis])
            (of_change[record.id],) = detections_of(output, [(record.width, record.height)], decoding)
    return found.__getitem__


def explain_departure(run: Run, sizes: Sizes, observed: FoundByImage) -> Explanation:
    """Explain why a cell departs from its reference.

    If the detections hardly differ, there is nothing to explain: the ladder says what differs.

    Args:
        run: runs the reference on a few images. sizes: of these images. observed: the cell's detections in them.
    """
    gap = gap_to_detections(observed)
    tried = try_causes(run, sizes, gap)
    return Explanation() if tried.gap < gap.least else _explanation("reference", tried.sentence, tried)


def explain_high(expected: ExpectedAP, parts: Mapping[str, Any] | None) -> Explanation:
    """Explain why an AP is higher than expected: no fault raises it, but images that training has seen do.

    parts: the cell's record of AP on held-out and seen images, if there is one.
    """
    surplus = expected.ours - expected.AP
    start = f"AP is {surplus:.4f} above the expected {expected.AP:g}."
    held_out = (parts or {}).get("held_out") or {}
    if expected.part == "held_out" or held_out.get("AP") is None:
        left = "Only a checkpoint that has seen these images, or another ground truth, can cause that."
        return Explanation("expected", f"{start} {left}", gap=surplus)
    off = abs(held_out["AP"] - expected.AP)
    trial = Trial("seen", _SEEN, off, 1 - off / surplus)
    images = held_out["images"]
    held = f"on the {images:,} held-out images AP is {held_out['AP']:.4f}"
    if off <= expected.tolerance or trial.explained >= 0.5:
        return Explanation("expected", f"{start} Looks like {_SEEN}; {held}.", ("seen",), images, surplus, (trial,))
    left = f"Seen images do not explain it: {held}. Check that the ground truth is that of the source."
    return Explanation("expected", f"{start} {left}", (), images, surplus, (trial,))


def explain_low(
    run: Run, sizes: Sizes, truth: Annotations, expected: ExpectedAP, found: FoundByImage, how: Protocol
) -> Explanation:
    """Explain why an AP is lower than expected.

    Args:
        run: runs the cell on a few images. sizes: of these images.
        truth: the ground truth.
        found: the cell's detections in all images.
        how: the cell's protocol, which may include some of the causes on purpose.
    """
    signs = cut_off(found)
    tried = _try_to_raise(run, sizes, truth, expected.AP - expected.ours)
    said = [f"AP is {expected.AP - expected.ours:.4f} below the expected {expected.AP:g}."]
    if tried.causes or not signs:
        said.append(tried.sentence)
    said += [f"Looks like {cause.looks_like}: the detections end there." for cause in signs]
    causes = (*tried.causes, *(cause.name for cause in signs))
    if set(causes) & _on_purpose(how):
        said.append("That belongs to this protocol.")
    return _explanation("expected", " ".join(said), tried, causes)


def _try_to_raise(run: Run, sizes: Sizes, truth: Annotations, shortfall: float) -> Diagnosis:
    if shortfall < LEAST_SHORTFALL:
        return Diagnosis((), f"The shortfall is too small to diagnose on {len(sizes)} images.", 0, shortfall, ())
    measure = _average_precision(truth, sizes)
    gap = gap_to_expected(measure, measure(run(None)), shortfall)
    cutting = {"threshold", "ten"}  # applied a second time, these change nothing
    return try_causes(run, sizes, gap, [cause for cause in usual_causes() if cause.name not in cutting])


def _average_precision(truth: Annotations, image_ids: Collection[int]) -> Callable[[FoundByImage], float]:
    def measure(found: FoundByImage) -> float:
        rows = (row for image_id in image_ids for row in rows_of(image_id, found[image_id]))
        return float(draw(match(truth, Detections.of(rows), image_ids), replicates=0).measured[0])

    return measure


def _on_purpose(how: Protocol) -> set[str]:
    """The causes that a protocol includes on purpose."""
    return {
        *(["bgr"] if how.channel_order == "bgr" else []),
        *(["threshold", "ten"] if how.graph_kind == "graph" else []),
    }


def _explanation(
    asked: Literal["reference", "expected"], sentence: str, tried: Diagnosis, causes: tuple[str, ...] | None = None
) -> Explanation:
    fitting = tried.causes if causes is None else causes
    return Explanation(asked, sentence, fitting, tried.images, tried.gap, tried.trials)
