"""The parity ladder: where a cell departs from the reference cell of its protocol, image by image.

It has four rungs, each built on the one before: the pixels that are fed, the raw heads, the boxes that are kept, AP.
The first rung outside its tolerance is the place to look. Only AP needs ground truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Int64
from ssdbench.boxes.decoding import Found
from ssdbench.boxes.outputs import Heads
from ssdbench.diagnosis.tolerances import _HELD_TO, TOLERANCES, Tolerance
from ssdbench.errors import UserError
from ssdbench.evaluation.image_matching import overlaps, partners
from ssdbench.inference.trace import Trace

Figures = dict[str, float | None]

_SAME_PLACE = 0.5  # overlap from which two boxes count as one, as in AP50
_CONFIDENT = 0.3  # score from which an anchor's class is compared: the threshold of published SSD graphs


_HINTS = {
    "pixels": "Look at channel order, decoding and resizing; everything after them differs too.",
    "heads": "Look at the conversion, the quantisation and the weights.",
    "boxes": "Look at thresholds, the number of boxes, non-maximum suppression and class ids.",
    "ap": "Look at the ground truth, the image ids and the evaluation.",
}
_WORDS = {"pixels": "input pixels", "heads": "raw heads", "boxes": "boxes", "ap": "AP"}


@dataclass(frozen=True)
class ImageTrace:
    """One image in one cell.

    pixels: `pixel_hash` of the pixels that the network was fed. heads: its raw heads (with any leading dimensions),
    None if the graph does not output them. found: its detections, best first.
    """

    pixels: str
    heads: Heads | None
    found: Found


@dataclass(frozen=True)
class Rung:
    """One rung: its figures (None if there was nothing to compare), the limits of the figures that have one, and the
    names of the figures that are outside their limits."""

    name: str
    figures: Figures
    limits: dict[str, float]
    outside: tuple[str, ...]


@dataclass(frozen=True)
class Parity:
    """The ladder of a cell. first_departure: the name of the first rung outside its tolerance, or None."""

    precision: str
    images: int
    rungs: tuple[Rung, ...]
    first_departure: str | None
    sentence: str


class Ladder:
    """Compares a cell with its reference, one image after the other; its memory does not grow with the images."""

    def __init__(self, precision: str) -> None:
        """Raises UserError if the precision has no tolerances."""
        if precision not in _HELD_TO:
            raise UserError(f"There are no tolerances for precision {precision!r}, only for {', '.join(_HELD_TO)}.")
        self._precision = precision
        self._images = 0
        self._different = 0
        self._first_different: int | None = None
        self._heads_images = 0
        self._encodings, self._scores = _Difference(), _Difference()
        self._confident = self._agreeing = 0
        self._boxes = _BoxSums()

    def add(self, image_id: int, cell: ImageTrace, reference: ImageTrace) -> None:
        """Add one image.

        Raises:
            UserError: the heads have different shapes.
        """
        self._images += 1
        if cell.pixels != reference.pixels:
            self._different += 1
            self._first_different = image_id if self._first_different is None else self._first_different
        if cell.heads and reference.heads:
            self._add_heads(cell.heads, reference.heads)
        self._boxes.add(cell.found, reference.found)

    def _add_heads(self, cell: Heads, reference: Heads) -> None:
        if (cell.encodings.shape, cell.scores.shape) != (reference.encodings.shape, reference.scores.shape):
            raise UserError(
                f"The cell's heads have the shape {cell.scores.shape}, the reference's {reference.scores.shape}. "
                "Compare cells of one model and protocol."
            )
        self._heads_images += 1
        # Without the background: nothing reads it, and as it is near 1 everywhere it would hide the classes.
        ours, theirs = cell.scores[..., 1:], reference.scores[..., 1:]
        self._encodings.add(cell.encodings, reference.encodings)
        self._scores.add(ours, theirs)
        confident = theirs.max(axis=-1) > _CONFIDENT
        self._confident += int(confident.sum())
        self._agreeing += int((ours[confident].argmax(axis=-1) == theirs[confident].argmax(axis=-1)).sum())

    def result(self, cell_ap: float | None = None, reference_ap: float | None = None) -> Parity:
        """The ladder of all images so far. cell_ap, reference_ap: on these images, 0 to 1, if there is ground truth."""
        measured: dict[str, Figures] = {"pixels": {"images": self._images, "different": self._different}}
        if self._heads_images:
            agreement = self._agreeing / self._confident if self._confident else None
            measured["heads"] = {
                "images": self._heads_images,
                **self._encodings.figures("encodings"),
                **self._scores.figures("scores"),
                "confident_anchors": self._confident,
                "top1_agreement": agreement,
            }
        measured["boxes"] = self._boxes.figures()
        if cell_ap is not None and reference_ap is not None:
            measured["ap"] = {"cell": cell_ap, "reference": reference_ap, "change": cell_ap - reference_ap}
        rungs = tuple(_rung(name, figures, self._precision) for name, figures in measured.items())
        departed = next((rung for rung in rungs if rung.outside), None)
        return Parity(
            self._precision,
            self._images,
            rungs,
            departed.name if departed else None,
            self._sentence([rung.name for rung in rungs], departed),
        )

    def _sentence(self, names: list[str], departed: Rung | None) -> str:
        if departed is None:
            return f"{_listed(names)} agree with the reference, within what {self._precision} allows."
        before = names[: names.index(departed.name)]
        start = f"{_listed(before)} agree with the reference, but " if before else ""
        if departed.name == "pixels":
            what = f"the input pixels differ in {self._different} of {self._images} images"
            return f"{_capital(what)}, first in image {self._first_different}. {_HINTS['pixels']}"
        faults = [tolerance for tolerance in _of(departed.name) if tolerance.figure in departed.outside]
        told = " and ".join(_told(fault, departed) for fault in faults[:2])
        what = "AP departs" if departed.name == "ap" else f"the {_WORDS[departed.name]} depart"
        return f"{_capital(start + what)}: {told}. {_HINTS[departed.name]}"


def ladder_of(
    precision: str,
    cell: Trace,
    reference: Trace,
    cell_found: Mapping[int, Found],
    reference_found: Mapping[int, Found],
    aps: tuple[float | None, float | None] = (None, None),
) -> Parity:
    """The parity ladder of a cell.

    Args:
        precision: of the cell.
        cell, reference: traces of the same images.
        cell_found, reference_found: their detections by image id.
        aps: AP, 0 to 1, of the cell and of the reference on these images; None without ground truth.

    Raises:
        UserError: they have different images, or heads of different shapes.
    """
    theirs = dict(zip(reference.image_ids.tolist(), reference.pixels, strict=True))
    if set(theirs) != set(cell.image_ids.tolist()):
        raise UserError("The cell and its reference ran on different images. Delete their seen.npz and run again.")
    our_heads, their_heads = _rows(cell.heads_ids), _rows(reference.heads_ids)
    ladder = Ladder(precision)
    for image_id, pixels in zip(cell.image_ids.tolist(), cell.pixels, strict=True):
        ladder.add(
            image_id,
            ImageTrace(pixels.tobytes().hex(), _heads(cell, our_heads.get(image_id)), cell_found[image_id]),
            ImageTrace(
                theirs[image_id].tobytes().hex(),
                _heads(reference, their_heads.get(image_id)),
                reference_found[image_id],
            ),
        )
    return ladder.result(*aps)


class _Difference:
    """Sums up the difference of two float arrays that come image by image."""

    def __init__(self) -> None:
        self._largest = 0.0
        self._squares = np.zeros(4)  # cell · cell, reference · reference, cell · reference, difference · difference

    def add(self, cell: NDArray[np.float32], reference: NDArray[np.float32]) -> None:
        ours, theirs = cell.ravel().astype(np.float64), reference.ravel().astype(np.float64)
        off = ours - theirs
        self._largest = max(self._largest, float(np.abs(off).max(initial=0)))
        self._squares += [ours @ ours, theirs @ theirs, ours @ theirs, off @ off]

    def figures(self, name: str) -> Figures:
        """Largest absolute error, relative error |cell - reference| / |reference|, and cosine, with Euclidean norms."""
        ours, theirs, both, off = self._squares.tolist()
        return {
            f"{name}_max_abs": self._largest,
            f"{name}_relative": (off / theirs) ** 0.5 if theirs else None,
            f"{name}_cosine": both / (ours * theirs) ** 0.5 if ours and theirs else None,
        }


class _BoxSums:
    """Sums up the kept boxes of a cell and the reference, matched image by image."""

    def __init__(self) -> None:
        self._cell = self._reference = self._matched = self._flips = 0
        self._iou = self._shift = 0.0

    def add(self, cell: Found, reference: Found) -> None:
        alike = cell.class_ids[:, None] == reference.class_ids
        every_iou = overlaps(cell.boxes, reference.boxes)
        rows, columns = partners(every_iou, alike, _SAME_PLACE)
        iou = every_iou[rows, columns]
        self._cell += len(cell.scores)
        self._reference += len(reference.scores)
        self._matched += len(iou)
        self._flips += int((~alike[rows, columns]).sum())
        self._iou += float(iou.sum())
        self._shift += float((cell.scores[rows].astype(np.float64) - reference.scores[columns]).sum())

    def figures(self) -> Figures:
        matched, boxes = self._matched, self._cell + self._reference
        return {
            "cell_boxes": self._cell,
            "reference_boxes": self._reference,
            "mean_iou": self._iou / matched if matched else None,
            "class_flips": self._flips / matched if matched else None,
            "score_shift": self._shift / matched if matched else None,
            "unmatched": 1 - 2 * matched / boxes if boxes else None,
        }


def _of(rung: str) -> list[Tolerance]:
    return [tolerance for tolerance in TOLERANCES if tolerance.rung == rung]


def _rung(name: str, figures: Figures, precision: str) -> Rung:
    limits: dict[str, float] = {}
    outside = []
    for tolerance in _of(name):
        limit, value = getattr(tolerance, _HELD_TO[precision]), figures[tolerance.figure]
        if limit is None:
            continue
        limits[tolerance.figure] = limit
        if value is not None and (value < limit if tolerance.least else abs(value) > limit):
            outside.append(tolerance.figure)
    return Rung(name, figures, limits, tuple(outside))


def _told(fault: Tolerance, rung: Rung) -> str:
    side = "below" if fault.least else "beyond"
    return f"{fault.words} {rung.figures[fault.figure]:.3g}, {side} {rung.limits[fault.figure]:.3g}"


def _listed(names: list[str]) -> str:
    words = [_WORDS[name] for name in names]
    return _capital(" and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _rows(heads_ids: Int64) -> dict[int, int]:
    return {image_id: row for row, image_id in enumerate(heads_ids.tolist())}


def _heads(cell: Trace, row: int | None) -> Heads | None:
    return None if row is None else Heads(cell.encodings[row], cell.scores[row])
