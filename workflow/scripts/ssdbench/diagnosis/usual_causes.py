"""The usual causes of a wrong AP, each tried on a few images as a change to pixels or detections.

Two questions can be asked:

- What is wrong with a cell, against a healthy one? Run the healthy one; the cause that makes its detections those of
  the cell fits (`gap_to_detections`). This tells causes apart well.
- Why is an AP lower than expected? Run the cell; the cause that raises its AP by what it lacks fits
  (`gap_to_expected`). What only takes detections away raises no AP, but shows in the detections themselves
  (`cut_off`). An AP that is higher than expected has none of these causes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.boxes.decoding import Found
from ssdbench.evaluation.image_matching import overlaps, partners

FoundByImage = Mapping[int, Found]

# Of AP: a few images cannot tell what costs less.
LEAST_SHORTFALL = 0.01

_SAME_PLACE = 0.5  # overlap at which two boxes are taken for one
_CUT, _TEN = 0.3, 10  # what SSD graphs and TFLite files are exported with
_GREY = (128, 128, 128)  # 0 after the normalising of MobileNet SSDs


@dataclass(frozen=True)
class Stored:
    """One image before it is resized: its encoded bytes, its stored pixels BGR [H, W, 3], the side that is fed."""

    data: bytes
    bgr: UInt8
    size: int


# What is resized and fed in place of the stored pixels: BGR [H', W', 3].
Change = Callable[[Stored], UInt8]


@dataclass(frozen=True)
class Cause:
    """One usual cause. pixels: changes an image. found: changes its detections, given its width and height."""

    name: str
    looks_like: str
    pixels: Change | None = None
    found: Callable[[Found, tuple[int, int]], Found] | None = None


@dataclass(frozen=True)
class Gap:
    """How far detections are from what is to be explained.

    least: the gap below which there is nothing to explain. fit: the share of the gap that a cause has to close.
    margin: causes that close nearly as much as the best, by this share, cannot be told from it.
    """

    of: Callable[[FoundByImage], float]
    least: float
    fit: float
    margin: float


@dataclass(frozen=True)
class Trial:
    """How near a cause came. explained: 1 where it closes the gap, 0 where it does not change it, below 0 where it
    widens it."""

    name: str
    looks_like: str
    gap: float
    explained: float


@dataclass(frozen=True)
class Diagnosis:
    """causes: names of the causes that fit: none, one, or several that cannot be told apart. gap: that of the cell as
    it is. trials: the best first."""

    causes: tuple[str, ...]
    sentence: str
    images: int
    gap: float
    trials: tuple[Trial, ...]


def usual_causes() -> tuple[Cause, ...]:
    """The causes to try; those that change pixels alike need one run between them."""
    return (
        Cause("bgr", "BGR: red and blue are swapped", _swapped),
        Cause("class_ids_high", "class ids off by one", found=lambda found, size: _shifted(found, 1)),
        Cause("class_ids_low", "class ids off by one", found=lambda found, size: _shifted(found, -1)),
        Cause("threshold", "a score threshold of 0.3", found=lambda found, size: _kept(found, found.scores > _CUT)),
        Cause("ten", "ten detections an image", found=lambda found, size: _kept(found, slice(_TEN))),
        Cause("exif", "images rotated by their EXIF tag", _rotated),
        Cause("padded", "a resize that keeps the aspect ratio by padding", _padded, _from_square),
        Cause("padded_boxes", "a resize that pads, and boxes that still count the padding", _padded),
        Cause("cropped", "a resize that crops to the central square", _cropped),
        Cause("nearest", "a resize to the nearest pixel", _nearest),
        Cause("twice", "pixels resized twice", _twice),
    )


def gap_to_detections(observed: FoundByImage) -> Gap:
    """How little detections agree with those observed on the same images: the share of boxes that have no partner
    of their class at IoU 0.5 or more on the other side.

    For SSDLite on 24 COCO images the true cause closes all of the gap between fp32 cells, and 0.58 (BGR) to 0.91 of
    it where the observed cell is int8; others close 0.11 at most. Only a threshold of 0.3 and ten detections close
    0.6 of each other's gap, at least 0.2 less than the true one. What moves boxes less than int8 itself (nearest
    pixel, resized twice) is not seen in an int8 cell.
    """
    return Gap(lambda found: 1 - _agreement(found, observed), least=0.03, fit=0.5, margin=0.1)


def gap_to_expected(measure: Callable[[FoundByImage], float], plain: float, shortfall: float) -> Gap:
    """How much of a shortfall is left: of AP on all images, looked for on a few.

    The few may be easier or harder than the rest, so the cell's own AP on them is to rise by as much as the cell lacks
    on all; more is no fault. For SSDLite on draws of 48 COCO images, swapping channels brings a cell that is fed BGR
    0.4 to 1.5 times what it lacks. No cause raises the AP of a healthy cell by more than 0.006, so that one has
    to by 0.01.

    Args:
        measure: AP, 0 to 1, of detections of the few images.
        plain: that of the cell as it is. shortfall: what its AP on all images lacks, LEAST_SHORTFALL or more.
    """
    aim = plain + shortfall
    fit = max(0.4, LEAST_SHORTFALL / shortfall)
    return Gap(lambda found: max(aim - measure(found), 0.0), least=0, fit=fit, margin=0.25)


def cut_off(found: FoundByImage) -> tuple[Cause, ...]:
    """The causes that detections show by what they lack: more than ten in an image, or low scores.

    Images with the most detections tell nothing of scores: there it may be the number that ends them.
    """
    counts = [len(one.scores) for one in found.values()]
    most = max(counts, default=0)
    lowest = [one.scores.min() for one in found.values() if 0 < len(one.scores) < most]
    signs = {
        "threshold": bool(lowest) and min(lowest) >= _CUT,
        "ten": most == _TEN and counts.count(_TEN) > len(counts) / 10,
    }
    return tuple(cause for cause in usual_causes() if signs.get(cause.name))


def try_causes(
    run: Callable[[Change | None], FoundByImage],
    sizes: Mapping[int, tuple[int, int]],
    gap: Gap,
    causes: Sequence[Cause] | None = None,
) -> Diagnosis:
    """Try each cause, and say which fit, if any.

    Args:
        run: runs a cell on the few images, each changed before it is resized; None: as they are.
        sizes: width and height of the stored images by id.
        gap: how far its detections are from what is to be explained.
        causes: all the usual ones, if not given.
    """
    plain = run(None)
    start = gap.of(plain)
    if start < gap.least:
        return Diagnosis((), f"On these {len(sizes)} images there is nothing to explain.", len(sizes), start, ())
    runs: dict[Change | None, FoundByImage] = {None: plain}
    trials = []
    for cause in usual_causes() if causes is None else causes:
        if cause.pixels not in runs:
            runs[cause.pixels] = run(cause.pixels)
        found = runs[cause.pixels]
        if cause.found:
            found = {image_id: cause.found(one, sizes[image_id]) for image_id, one in found.items()}
        left = gap.of(found)
        trials.append(Trial(cause.name, cause.looks_like, left, 1 - left / start))
    trials.sort(key=lambda trial: trial.gap)
    fitting, sentence = _verdict(trials, gap, len(sizes))
    return Diagnosis(fitting, sentence, len(sizes), start, tuple(trials))


def _verdict(trials: Sequence[Trial], gap: Gap, images: int) -> tuple[tuple[str, ...], str]:
    """The causes that fit, and a sentence; trials come best first."""
    best = trials[0]
    if best.explained < gap.fit:
        return (), f"No usual cause fits: none explains more than {max(best.explained, 0):.0%} on {images} images."
    fitting = [trial for trial in trials if trial.explained >= max(gap.fit, best.explained - gap.margin)]
    names = tuple(trial.name for trial in fitting)
    likely = list(dict.fromkeys(trial.looks_like for trial in fitting))
    if len(likely) > 1:
        return names, f"Looks like one of these, which {images} images cannot tell apart: {'; '.join(likely)}."
    return (
        names,
        f"Looks like {best.looks_like}. That explains {best.explained:.0%} of the difference on {images} images.",
    )


def _agreement(some: FoundByImage, others: FoundByImage) -> float:
    """Share of boxes, on both sides, that have a partner of their class on the other; 1 where there are none."""
    matched = boxes = 0
    for image_id, one in some.items():
        other = others[image_id]
        alike = one.class_ids[:, None] == other.class_ids
        rows, _ = partners(overlaps(one.boxes, other.boxes) * alike, alike, _SAME_PLACE)
        matched += 2 * len(rows)
        boxes += len(one.scores) + len(other.scores)
    return matched / boxes if boxes else 1.0


def _swapped(image: Stored) -> UInt8:
    return np.ascontiguousarray(image.bgr[..., ::-1])


def _rotated(image: Stored) -> UInt8:
    """The image as viewers show it, which OpenCV's decoder gives unless told otherwise."""
    pixels: UInt8 | None = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None, "it was decoded before"
    return pixels


def _padded(image: Stored) -> UInt8:
    """As large as fits the square that is fed, and grey to the right or below."""
    height, width = image.bgr.shape[:2]
    scale = image.size / max(height, width)
    small = cv2.resize(image.bgr, (max(round(width * scale), 1), max(round(height * scale), 1)))
    right, below = image.size - small.shape[1], image.size - small.shape[0]
    pixels: UInt8 = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT, value=_GREY)
    return pixels


def _from_square(found: Found, size: tuple[int, int]) -> Found:
    """Boxes of a padded image on the image itself."""
    width, height = size
    side = max(size)
    scale = np.array([side / width, side / height, side / width, side / height])
    return Found(found.class_ids, found.scores, found.boxes * scale)


def _cropped(image: Stored) -> UInt8:
    height, width = image.bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(image.bgr[top : top + side, left : left + side])


def _nearest(image: Stored) -> UInt8:
    pixels: UInt8 = cv2.resize(image.bgr, (image.size, image.size), interpolation=cv2.INTER_NEAREST)
    return pixels


def _twice(image: Stored) -> UInt8:
    """Through 640x640, the size that SSD models are most often fed by mistake."""
    pixels: UInt8 = cv2.resize(image.bgr, (640, 640), interpolation=cv2.INTER_LINEAR)
    return pixels


def _shifted(found: Found, by: int) -> Found:
    return Found(found.class_ids + by, found.scores, found.boxes)


def _kept(found: Found, which: slice | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Found:
    return Found(found.class_ids[which], found.scores[which], found.boxes[which])
