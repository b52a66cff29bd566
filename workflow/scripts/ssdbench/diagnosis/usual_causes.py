"""The usual causes of a wrong AP; each is tried on a few images as a change of pixels or detections.

They answer two questions:

- What is wrong with a cell, compared with a healthy one? Run the healthy one: a cause fits if it makes the healthy
  cell's detections those of the cell (`gap_to_detections`). This tells causes apart well.
- Why is an AP lower than expected? Run the cell: a cause fits if it raises the cell's AP by what it lacks
  (`gap_to_expected`). A cause that only removes detections cannot raise AP, but shows in the detections themselves
  (`cut_off`). None of these causes makes an AP higher than expected.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.boxes.decoding import Found
from ssdbench.evaluation.image_matching import overlaps, partners
from ssdbench.images.pixels import PixelSize, sides

FoundByImage = Mapping[int, Found]

# Of AP. A few images cannot show what costs less.
LEAST_SHORTFALL = 0.01

_SAME_PLACE = 0.5  # overlap from which two boxes count as one
_CUT, _TEN = 0.3, 10  # the usual settings of exported SSD graphs and TFLite files
_GREY = (128, 128, 128)  # 0 after the normalisation of MobileNet SSDs


@dataclass(frozen=True)
class Stored:
    """One image before it is resized: its encoded bytes, its stored pixels BGR [H, W, 3], and the size that is fed."""

    data: bytes
    bgr: UInt8
    size: PixelSize


# Returns the pixels to resize and feed in place of the stored ones: BGR [H', W', 3].
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
    """How far detections are from those, or the AP, to be explained.

    of: the gap of detections. least: below this gap there is nothing to explain. fit: the share of the gap that a cause
    has to close. margin: causes whose share is less than the best one's by up to this cannot be told from it.
    """

    of: Callable[[FoundByImage], float]
    least: float
    fit: float
    margin: float


@dataclass(frozen=True)
class Trial:
    """The result of trying one cause. explained: 1 if it closes the gap, 0 if it does not change it, negative if it
    widens it."""

    name: str
    looks_like: str
    gap: float
    explained: float


@dataclass(frozen=True)
class Diagnosis:
    """The result of trying all causes.

    causes: names of the causes that fit: none, one, or several that cannot be told apart. gap: of the unchanged cell.
    trials: the best first.
    """

    causes: tuple[str, ...]
    sentence: str
    images: int
    gap: float
    trials: tuple[Trial, ...]


def usual_causes() -> tuple[Cause, ...]:
    """The causes to try; causes with the same change of pixels share a run."""
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
    """The gap to the detections observed in the same images: the share of boxes that have no partner on the other side,
    of their class and with an IoU of 0.5 or more.

    For SSDLite on 24 COCO images the true cause closes the whole gap between fp32 cells, and 0.58 (BGR) to 0.91 of it
    if the observed cell is int8; other causes close at most 0.11. Only a threshold of 0.3 and ten detections close 0.6
    of each other's gap, at least 0.2 less than the true one. Causes that move boxes less than int8 itself does (nearest
    pixel, resized twice) cannot be found in an int8 cell.
    """
    return Gap(lambda found: 1 - _agreement(found, observed), least=0.03, fit=0.5, margin=0.1)


def gap_to_expected(measure: Callable[[FoundByImage], float], plain: float, shortfall: float) -> Gap:
    """The gap to an expected AP: what is left of the shortfall of AP on all images, measured on a few.

    The few images may be easier or harder than the rest. So the cell's AP on them should rise by the shortfall on all
    images; rising more is fine. For SSDLite on draws of 48 COCO images, swapping the channels of a cell that is fed BGR
    raises AP by 0.4 to 1.5 times the shortfall. No cause raises the AP of a healthy cell by more than 0.006, so a cause
    has to raise it by 0.01.

    Args:
        measure: AP, 0 to 1, of detections in the few images.
        plain: AP of the unchanged cell. shortfall: of its AP on all images, LEAST_SHORTFALL or more.
    """
    aim = plain + shortfall
    fit = max(0.4, LEAST_SHORTFALL / shortfall)
    return Gap(lambda found: max(aim - measure(found), 0.0), least=0, fit=fit, margin=0.25)


def cut_off(found: FoundByImage) -> tuple[Cause, ...]:
    """The causes that show in detections because something is missing: more than ten in an image, or low scores.

    Images with the most detections say nothing about scores, because they may have been cut at that number.
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
    """Try each cause, and say which ones fit.

    Args:
        run: runs a cell on the few images, each changed before it is resized; None: unchanged.
        sizes: width and height of the stored images by id.
        gap: how far its detections are from those, or the AP, to be explained.
        causes: the usual ones if not given.
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
    """The causes that fit, and a sentence about them; trials come best first."""
    best = trials[0]
    if best.explained < gap.fit:
        return (), f"No usual cause fits: none explains more than {max(best.explained, 0):.0%} on {images} images."
    fitting = [trial for trial in trials if trial.explained >= max(gap.fit, best.explained - gap.margin)]
    names = tuple(trial.name for trial in fitting)
    likely = list(dict.fromkeys(trial.looks_like for trial in fitting))
    if len(likely) > 1:
        return names, f"Looks like one of these, which cannot be told apart on {images} images: {'; '.join(likely)}."
    return (
        names,
        f"Looks like {best.looks_like}. That explains {best.explained:.0%} of the difference on {images} images.",
    )


def _agreement(some: FoundByImage, others: FoundByImage) -> float:
    """The share of boxes on both sides that have a partner of their class on the other; 1 without boxes."""
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
    """The image as viewers show it, and as OpenCV decodes it by default."""
    pixels: UInt8 | None = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None, "the image was decoded before"
    return pixels


def _padded(image: Stored) -> UInt8:
    """The image at the largest size that fits a square of the longer side that is fed, grey to the right or below."""
    height, width = image.bgr.shape[:2]
    side = max(sides(image.size))
    scale = side / max(height, width)
    small = cv2.resize(image.bgr, (max(round(width * scale), 1), max(round(height * scale), 1)))
    right, below = side - small.shape[1], side - small.shape[0]
    pixels: UInt8 = cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_CONSTANT, value=_GREY)
    return pixels


def _from_square(found: Found, size: tuple[int, int]) -> Found:
    """Boxes in a padded image, converted to the image itself."""
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
    pixels: UInt8 = cv2.resize(image.bgr, sides(image.size)[::-1], interpolation=cv2.INTER_NEAREST)
    return pixels


def _twice(image: Stored) -> UInt8:
    """Through 640x640, the size that SSD models are most often fed by mistake."""
    pixels: UInt8 = cv2.resize(image.bgr, (640, 640), interpolation=cv2.INTER_LINEAR)
    return pixels


def _shifted(found: Found, by: int) -> Found:
    return Found(found.class_ids + by, found.scores, found.boxes)


def _kept(found: Found, which: slice | np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Found:
    return Found(found.class_ids[which], found.scores[which], found.boxes[which])
