"""Is a converted artifact still the same detector as the source's own heads in TensorFlow fp32?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.arrays import Float32, Int64, UInt8
from ssdbench.boxes.coordinates import clip
from ssdbench.boxes.nms import NmsSettings, suppress
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.registry import GraphNms
from ssdbench.conversion.fake_quant import Steps
from ssdbench.errors import UserError
from ssdbench.runtimes.base import Session

SCORED = 0.3  # anchors and detections above this score count


@dataclass(frozen=True)
class Figure:
    """One figure of a check: `value` must be at most `limit`, or at least where `least`."""

    name: str
    value: float
    limit: float
    least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the figure is inside its limit; NaN never is."""
        return self.value >= self.limit if self.least else self.value <= self.limit


@dataclass(frozen=True)
class NotJudged:
    """No figures, because the images show nothing to compare."""

    reason: str


def require(figures: Sequence[Figure] | NotJudged, compared: str, images: int) -> dict[str, Any]:
    """The card's record of a check whose figures all hold, or that there was nothing to judge by.

    Raises:
        UserError: a figure does not hold; the message has it.
    """
    if isinstance(figures, NotJudged):
        return {"compared": f"not judged: {figures.reason}", "images": images, "figures": {}, "limits": {}}
    failed = [figure for figure in figures if not figure.holds]
    if failed:
        words = "; ".join(
            f"{f.name} is {f.value:.4g}, and {'at least' if f.least else 'at most'} {f.limit:g} is allowed"
            for f in failed
        )
        raise UserError(f"The converted model differs too much from {compared} on {images} images: {words}.")
    return {
        "compared": compared,
        "images": images,
        "figures": {figure.name: float(figure.value) for figure in figures},
        "limits": {figure.name: figure.limit for figure in figures},
    }


def run_all(session: Session, pixels: Sequence[UInt8], batch: int = 1) -> list[Any]:
    """The session's output of each image [S, S, 3], run one by one, or so many together and taken apart again.

    The last images are repeated where they do not fill a batch.
    """
    if batch == 1:
        return [session.run(image[np.newaxis]) for image in pixels]
    outputs: list[Any] = []
    for start in range(0, len(pixels), batch):
        group = list(pixels[start : start + batch])
        output = session.run(np.stack([*group, *[group[-1]] * (batch - len(group))]))
        outputs += [_one_of(output, index) for index in range(len(group))]
    return outputs


def _one_of(output: Heads | Finished, index: int) -> Heads | Finished:
    arrays = vars(output).items()
    return type(output)(**{name: values[index : index + 1] for name, values in arrays if values is not None})


def compare_heads(
    precision: str, reference: Sequence[Heads], outputs: Sequence[Heads], steps: Steps | None = None
) -> list[Figure]:
    """Figures of heads against the reference's, image by image.

    fp32 and fp16: largest absolute differences; of a graph that rounds to `steps` itself, mean ones, of one step at
    most. int8: of the anchors whose best class scores above 0.3 in the reference, the share with the same best class,
    and the mean change of that class's score.

    Raises:
        UserError: the shapes differ, or at int8 nothing scores above 0.3.
    """
    if any(
        a.encodings.shape != b.encodings.shape or a.scores.shape != b.scores.shape
        for a, b in zip(reference, outputs, strict=True)
    ):
        raise UserError("The converted model's heads have another shape than the source's.")
    if precision in ("int8", "int8_mixed", "int8_dynamic"):
        return _class_agreement(reference, outputs)
    if steps:
        return [
            Figure("mean difference of box encodings", _mean(reference, outputs, "encodings"), steps.encodings),
            Figure("mean difference of class scores", _mean(reference, outputs, "scores"), steps.scores),
        ]
    encodings, scores = {"fp32": (1e-3, 1e-3), "fp16": (0.5, 0.05)}[precision]
    pairs = list(zip(reference, outputs, strict=True))
    return [
        Figure(
            "largest difference of box encodings",
            float(np.max([np.abs(a.encodings - b.encodings).max() for a, b in pairs])),
            encodings,
        ),
        Figure(
            "largest difference of class scores",
            float(np.max([np.abs(a.scores - b.scores).max() for a, b in pairs])),
            scores,
        ),
    ]


def _mean(reference: Sequence[Heads], outputs: Sequence[Heads], name: str) -> float:
    """The mean absolute difference of the `encodings` or `scores` of all images."""
    pairs = zip(reference, outputs, strict=True)
    return float(np.mean([np.abs(getattr(a, name) - getattr(b, name)).mean() for a, b in pairs]))


def _class_agreement(reference: Sequence[Heads], outputs: Sequence[Heads]) -> list[Figure]:
    same, changes = [], []
    for expected, found in zip(reference, outputs, strict=True):
        wanted, got = expected.scores[0, :, 1:], found.scores[0, :, 1:]
        best = wanted.argmax(axis=1)
        rows = np.flatnonzero(wanted.max(axis=1) > SCORED)
        same += list(best[rows] == got[rows].argmax(axis=1))
        changes += list(np.abs(wanted[rows, best[rows]] - got[rows, best[rows]]))
    if not same:
        raise _uncheckable(SCORED, len(reference))
    return [
        Figure(f"share of anchors above {SCORED} with the same class", float(np.mean(same)), 0.95, least=True),
        Figure(f"mean change of the score of anchors above {SCORED}", float(np.mean(changes)), 0.15),
    ]


@dataclass(frozen=True)
class _Found:
    """Detections of one image: corners float32 [K, 4], classes int64 [K], scores float32 [K]."""

    corners: Float32
    class_ids: Int64
    scores: Float32


def compare_detections(
    precision: str,
    reference: Sequence[Heads],
    outputs: Sequence[Finished],
    anchors: Float32,
    box_coder: Sequence[float],
    nms: GraphNms,
) -> list[Figure] | NotJudged:
    """The figure of finished detections against the reference's heads with our own suppression.

    It is the share of confident detections, of both sides, that have a partner of the same class on the
    other side: IoU 0.9 at fp32, 0.5 at int8. Confident is above the graph's threshold (at least 0.3) and by
    a margin, so that a score that falls just below the threshold is no difference. Where neither side has one,
    fp32 is not judged: the images it is checked on are the project's and not the user's to choose.

    Raises:
        UserError: at int8, neither side has a confident detection.
    """
    iou, margin, limit = (0.5, 0.15, 0.9) if precision == "int8" else (0.9, 0.01, 0.95)
    settings = NmsSettings(nms.score, nms.iou, nms.max)
    confident = max(SCORED, nms.score) + margin
    partners: list[bool] = []
    for heads, finished in zip(reference, outputs, strict=True):
        kept = suppress(heads.encodings[0], heads.scores[0], anchors, box_coder, settings)
        count = int(finished.counts[0])
        expected = _Found(kept.corners, kept.class_ids, kept.scores)
        found = _Found(clip(finished.boxes[0, :count]), finished.class_ids[0, :count], finished.scores[0, :count])
        partners += _have_partners(expected, found, iou, confident)
        partners += _have_partners(found, expected, iou, confident)
    if not partners and precision == "int8":
        raise _uncheckable(confident, len(reference))
    if not partners:
        return NotJudged(f"nothing scored above {confident:.2f} on {len(reference)} images")
    name = f"share of detections above {confident:.2f} with a partner at IoU {iou}"
    return [Figure(name, float(np.mean(partners)), limit, least=True)]


def _uncheckable(score: float, images: int) -> UserError:
    return UserError(
        f"Nothing scores above {score:.2f} on the {images} calibration images, so an int8 model cannot be checked: "
        "raise calibration.images, or calibrate on images of objects that the model knows."
    )


def _have_partners(some: _Found, others: _Found, iou: float, confident: float) -> list[bool]:
    chosen = some.scores > confident
    corners, classes = some.corners[chosen][:, np.newaxis], some.class_ids[chosen][:, np.newaxis]
    low = np.maximum(corners[..., :2], others.corners[:, :2])
    high = np.minimum(corners[..., 2:], others.corners[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    together = _areas(corners) + _areas(others.corners) - shared
    fits = (shared >= iou * together) & (classes == others.class_ids)
    return [bool(fit) for fit in fits.any(axis=1)]


def _areas(corners: Float32) -> Float32:
    areas: Float32 = np.prod(corners[..., 2:] - corners[..., :2], axis=-1)
    return areas
