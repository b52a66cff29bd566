"""How much of fp32's AP an artifact would keep, told without labels.

The boxes of fp32 itself are too strict a truth: AP against them falls with every pixel and every change of rank, though
on real labels fp32 is no better than its neighbours. So labels are drawn from them as real ones might be: each object
that fp32 sees is there with a probability that follows from its score, and its edges lie somewhat elsewhere. fp32 and
the artifact are both held against the same draws; of many draws, the mean counts.

Classes count by their objects here. In COCO's AP a class with one object counts like one with a thousand, and on some
fifty images that would be chance: one change of rank moves AP by a hundredth.

docs/int8.md compares this measure with the AP kept on the labels of 130 images of COCO val2017.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ssdbench.arrays import Float64
from ssdbench.boxes.decoding import Found
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.categories import Category
from ssdbench.coco.detections import Detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.objects import Annotation, Objects
from ssdbench.evaluation.coco_metrics import coco_metrics
from ssdbench.evaluation.image_matching import overlaps
from ssdbench.inference.detect import rows_of

_DRAWS = 32
_EDGES = 0.15  # standard deviation of an edge, in sides of the box: so fp32's AP is about that on real labels
_POWER = 2.0  # of the score: of boxes scored .3, a tenth are objects of COCO, and of those scored .7, half
_ONE_OBJECT = 0.3  # overlap from which two boxes of a class are one object


@dataclass(frozen=True)
class PseudoLabels:
    """What fp32 found in some images, by image id, and labels drawn from it with a seed."""

    found: Mapping[int, Found]
    seed: int = 0

    def kept(self, found: Mapping[int, Found]) -> float:
        """The share of fp32's AP that these detections of the same images would keep on labels; 1 is all of it."""
        ours = sum(_average_precision(labels, found) for labels in self._labels)
        return float(ours / self._of_fp32) if self._of_fp32 > 0 else float("nan")

    @cached_property
    def _labels(self) -> list[Annotations]:
        return [_drawn(self.found, np.random.default_rng([self.seed, number])) for number in range(_DRAWS)]

    @cached_property
    def _of_fp32(self) -> float:
        return sum(_average_precision(labels, self.found) for labels in self._labels)


def _average_precision(labels: Annotations, found: Mapping[int, Found]) -> float:
    rows = (row for image_id, one in found.items() for row in rows_of(image_id, one))
    return object_ap(labels, Detections.of(rows), list(found))


def object_ap(truth: Annotations, found: Detections, image_ids: Collection[int]) -> float:
    """The mean of the classes' AP, each as often as it has objects: 0 to 1; 0 without objects."""
    classes = [row for row in coco_metrics(truth, found, image_ids).per_class if row["truths"]]
    objects = sum(row["truths"] for row in classes)
    weighted = sum(row["AP"] * row["truths"] for row in classes)
    return float(weighted / max(objects, 1))


def _drawn(found: Mapping[int, Found], random: np.random.Generator) -> Annotations:
    """One set of labels; the images' sizes are not known here, and AP does not need them."""
    rows: list[Annotation] = []
    for image_id, one in found.items():
        for category, box in _objects(one, random):
            x, y, w, h = (float(value) for value in box)
            rows.append(Annotation(len(rows) + 1, image_id, category, (x, y, w, h), w * h, False))
    categories = tuple(Category(number, str(number)) for number in sorted({row.category_id for row in rows}))
    images = tuple(ImageRecord(image_id, str(image_id), 0, 0, "") for image_id in found)
    return Annotations(categories, images, Objects.of(rows), ())


def _objects(one: Found, random: np.random.Generator) -> Iterator[tuple[int, Float64]]:
    """Objects drawn from the detections of an image: category and box, x y w h in pixels."""
    distinct = _distinct(one)
    boxes, scores = one.boxes[distinct], one.scores[distinct].astype(np.float64)
    there = random.random(len(distinct)) < scores**_POWER
    noise = random.normal(0, _EDGES, (len(distinct), 4)) * np.tile(boxes[:, 2:], 2)
    edges = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1) + noise
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    moved = np.concatenate([low, high - low], axis=1)
    for index in np.flatnonzero(there):
        yield int(one.class_ids[distinct[index]]), moved[index]


def _distinct(one: Found) -> list[int]:
    """The best box of each object: indices, best first. NMS at a high IoU leaves several boxes of one object."""
    shared = overlaps(one.boxes, one.boxes)
    kept: list[int] = []
    for index in range(len(one.scores)):
        alike = [other for other in kept if one.class_ids[other] == one.class_ids[index]]
        if not (shared[index, alike] > _ONE_OBJECT).any():
            kept.append(index)
    return kept
