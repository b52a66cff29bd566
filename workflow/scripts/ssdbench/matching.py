"""Which detections find which true objects, by COCO's rules: the ground under every AP."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdbench.boxes import Float64
from ssdbench.coco import Annotation, Annotations, Detection
from ssdbench.outputs import Int64

Bool = NDArray[np.bool_]
_Pair = tuple[int, int]  # category and image, by index

_HIGHEST_IOU = 1 - 1e-10  # pycocotools lowers a threshold of 1 to this


@dataclass(frozen=True)
class Rules:
    """COCO's parameters for boxes.

    ious: float64 [10], the thresholds .5, .55, ... .95. recalls: float64 [101], where precision is read.
    areas: float64 [4, 2], least and greatest area in pixels, both included: all, small, medium, large.
    most: the detections of one category that count in an image.
    """

    ious: Float64
    recalls: Float64
    areas: Float64
    most: int


@dataclass(frozen=True)
class Matches:
    """The detections of one cell set against the true objects of its images.

    Images, categories, sizes and thresholds are given by index into `image_ids`, `category_ids`,
    `Rules.areas` and `Rules.ious`.

    image_ids: int64 [N]. category_ids: int64 [K]. Both ascend.
    detection_image, detection_category: int64 [D], sorted by category, then as COCO ranks detections: by score
        descending, then image, then the order given. Those beyond `Rules.most` are left out.
    inside: bool [4, D], whether the detection's own area is of that size.
    match_size, match_category, match_iou, match_detection: int64 [M], sorted by these four. Each row is a
        detection that takes an object. match_true: bool [M], whether the object counts at that size; if not (a
        crowd, or another size), neither does the detection.
    truth_size, truth_category, truth_image: int64 [G], each object once for each size at which it counts.

    A detection without a row for a size and threshold is a false one where it is `inside`, and does not count
    where it is not.
    """

    image_ids: Int64
    category_ids: Int64
    detection_image: Int64
    detection_category: Int64
    inside: Bool
    match_size: Int64
    match_category: Int64
    match_iou: Int64
    match_detection: Int64
    match_true: Bool
    truth_size: Int64
    truth_category: Int64
    truth_image: Int64


def coco_rules() -> Rules:
    """COCO's rules, as pycocotools has them."""
    from pycocotools.cocoeval import Params

    params = Params("bbox")
    return Rules(params.iouThrs, params.recThrs, np.array(params.areaRng, np.float64), max(params.maxDets))


def match(truth: Annotations, found: Iterable[Detection], image_ids: Collection[int]) -> Matches:
    """Match detections to true objects exactly as pycocotools' `COCOeval.evaluateImg` does.

    In each image and category, by score descending, a detection takes the object it overlaps most among those
    that are free; of several alike the last. A crowd is always free. An object that does not count is taken only
    where none that counts is left.

    Args:
        truth: the true objects; those in other images are left out.
        found: the cell's detections; those in other images or of unknown categories are left out.
        image_ids: the images that count.
    """
    rules = coco_rules()
    images = {identity: index for index, identity in enumerate(sorted(set(image_ids)))}
    categories = {identity: index for index, identity in enumerate(sorted(c.id for c in truth.categories))}
    objects: dict[_Pair, list[Annotation]] = defaultdict(list)
    for row in truth.annotations:
        if row.image_id in images:
            objects[categories[row.category_id], images[row.image_id]].append(row)

    rows = [row for row in found if row.image_id in images and row.category_id in categories]
    category = np.array([categories[row.category_id] for row in rows], np.int64)
    image = np.array([images[row.image_id] for row in rows], np.int64)
    score = np.array([row.score for row in rows], np.float64)
    box = np.array([row.bbox for row in rows], np.float64).reshape(-1, 4)
    order = np.lexsort((-score, image, category))  # stable, as the sort of pycocotools
    order = order[_ranks(category[order], image[order]) < rules.most]
    category, image, score, box = category[order], image[order], score[order], box[order]

    matches = _table(_matches(objects, category, image, box, rules), 5)
    order = np.lexsort((-score, category))
    matches[:, 3] = np.argsort(order)[matches[:, 3]]
    matches = matches[np.lexsort(matches[:, 3::-1].T)]
    truths = _table(_truths(objects, rules), 3)
    return Matches(
        image_ids=np.array(list(images), np.int64),
        category_ids=np.array(list(categories), np.int64),
        detection_image=image[order],
        detection_category=category[order],
        inside=_inside(rules, box[order, 2] * box[order, 3]),
        match_size=matches[:, 0],
        match_category=matches[:, 1],
        match_iou=matches[:, 2],
        match_detection=matches[:, 3],
        match_true=matches[:, 4] > 0,
        truth_size=truths[:, 0],
        truth_category=truths[:, 1],
        truth_image=truths[:, 2],
    )


def _inside(rules: Rules, areas: Float64) -> Bool:
    """Whether areas float64 [N] are of each size: bool [4, N]."""
    low, high = rules.areas.T[:, :, None]
    inside: Bool = (areas >= low) & (areas <= high)
    return inside


def _table(rows: Iterable[Sequence[int]], columns: int) -> Int64:
    """Rows as int64 [N, columns], also where there are none."""
    return np.array(list(rows), np.int64).reshape(-1, columns)


def _starts(category: Int64, image: Int64) -> Int64:
    """Where each category and image begins in sorted detections."""
    return np.flatnonzero(np.diff(category, prepend=-1) | np.diff(image, prepend=-1))


def _ranks(category: Int64, image: Int64) -> Int64:
    """The place of each sorted detection among those of its category and image, from 0."""
    starts = _starts(category, image)
    counts = np.diff(starts, append=len(category))
    return np.arange(len(category)) - np.repeat(starts, counts)


def _truths(objects: Mapping[_Pair, Sequence[Annotation]], rules: Rules) -> Iterator[tuple[int, int, int]]:
    """Size, category and image of each object that counts."""
    for (category, image), group in objects.items():
        for size in np.nonzero(_counted(group, rules))[0].tolist():
            yield size, category, image


def _counted(group: Sequence[Annotation], rules: Rules) -> Bool:
    """Whether the objects count at each size: bool [4, G]."""
    inside = _inside(rules, np.array([row.area for row in group]))
    inside[:, [row.iscrowd for row in group]] = False
    return inside


def _matches(
    objects: Mapping[_Pair, Sequence[Annotation]], category: Int64, image: Int64, box: Float64, rules: Rules
) -> Iterator[tuple[int, int, int, int, int]]:
    """Size, category, threshold and index of each detection that takes an object, and whether that counts.

    Detections are sorted by category, then image, then rank.
    """
    from pycocotools.mask import iou

    starts = _starts(category, image)
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(category)], strict=False):
        pair = int(category[start]), int(image[start])
        if pair not in objects:
            continue
        group = objects[pair]
        crowd = [row.iscrowd for row in group]
        overlaps = iou(box[start:end], np.array([row.bbox for row in group]), list(map(int, crowd)))
        near = [
            (
                start + index,
                [(overlaps[index, g], g) for g in np.flatnonzero(overlaps[index] >= rules.ious[0]).tolist()],
            )
            for index in np.flatnonzero((overlaps >= rules.ious[0]).any(axis=1)).tolist()
        ]
        if not near:
            continue
        for size, counted in enumerate(_counted(group, rules).tolist()):
            for level, threshold in enumerate(rules.ious.tolist()):
                for detection, taken in _greedy(near, min(threshold, _HIGHEST_IOU), counted, crowd):
                    yield size, pair[0], level, detection, counted[taken]


def _greedy(
    near: Sequence[tuple[int, Sequence[tuple[float, int]]]],
    threshold: float,
    counted: Sequence[bool],
    crowd: Sequence[bool],
) -> Iterator[tuple[int, int]]:
    """The detections that take an object at one size and threshold, and the object.

    Args:
        near: detections of one image and category, best first, each with the objects near it as (IoU, index).
        counted, crowd: what each object is.
    """
    free = [True] * len(counted)
    for detection, overlaps in near:
        fitting = [(counted[g], overlap, g) for overlap, g in overlaps if overlap >= threshold and free[g]]
        if fitting:
            taken = max(fitting)[2]  # one that counts before any other, then by IoU, then the last
            free[taken] = crowd[taken]
            yield detection, taken
