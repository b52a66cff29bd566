"""Matches detections to true objects as COCO does; every AP is computed from this."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from ssdbench.arrays import Bool, Float64, Int64
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections

_PAIRS_AT_ONCE = 1 << 18  # pairs of a detection and an object; bounds memory


@dataclass(frozen=True)
class CocoParams:
    """COCO's parameters for boxes.

    ious: float64 [10], the thresholds .5, .55, ... .95. recalls: float64 [101], at which precision is read.
    areas: float64 [4, 2], smallest and largest area in pixels, both included: all, small, medium, large.
    most: how many detections of one category count in an image.
    """

    ious: Float64
    recalls: Float64
    areas: Float64
    most: int


@dataclass(frozen=True)
class Matches:
    """The detections of one cell, matched to the true objects of its images.

    Images, categories, sizes and thresholds are given by index into `image_ids`, `category_ids`,
    `CocoParams.areas` and `CocoParams.ious`.

    image_ids: int64 [N]. category_ids: int64 [K]. Both ascend.
    detection_image, detection_category: int64 [D], sorted by category, then as COCO ranks detections: by score
        descending, then image, then the order given. Detections beyond `CocoParams.most` are left out.
    detection_rank: int64 [D], the rank among the detections of the same image and category, from 0.
    inside: bool [4, D], whether the detection's own area has that size.
    match_size, match_category, match_iou, match_detection: int64 [M], sorted by these four. Each row is a
        detection that takes an object. match_true: bool [M], whether the object counts at that size; if it does not
        (a crowd, or another size), the detection does not count either.
    truth_size, truth_category, truth_image: int64 [G], sorted by these three: each object once for each size at
        which it counts.

    A detection without a row for a size and threshold is false if it is `inside`; otherwise it does not count.
    """

    image_ids: Int64
    category_ids: Int64
    detection_image: Int64
    detection_category: Int64
    detection_rank: Int64
    inside: Bool
    match_size: Int64
    match_category: Int64
    match_iou: Int64
    match_detection: Int64
    match_true: Bool
    truth_size: Int64
    truth_category: Int64
    truth_image: Int64


def coco_params() -> CocoParams:
    """COCO's parameters, taken from pycocotools."""
    from pycocotools.cocoeval import Params

    theirs = Params("bbox")
    return CocoParams(theirs.iouThrs, theirs.recThrs, np.array(theirs.areaRng, np.float64), max(theirs.maxDets))


def match(truth: Annotations, found: Detections, image_ids: Collection[int]) -> Matches:
    """Match detections to true objects exactly as pycocotools' `COCOeval.evaluateImg` does.

    In each image and category, by score descending, a detection takes the free object that it overlaps most; of equal
    overlaps the last. A crowd is always free. An object that does not count is taken only if no other is left.

    Args:
        truth: the true objects; those in other images are left out.
        found: the cell's detections; those in other images or of unknown categories are left out.
        image_ids: the images that count.
    """
    params = coco_params()
    images = np.array(sorted(set(image_ids)), np.int64)
    categories = np.array(sorted(category.id for category in truth.categories), np.int64)
    objects = _objects(truth, images, categories, params)

    rows = np.flatnonzero(np.isin(found.image_id, images) & np.isin(found.category_id, categories))
    scene = _scenes(found.category_id[rows], found.image_id[rows], categories, images)
    order = np.lexsort((-found.score[rows], scene))  # stable, like the sort of pycocotools
    rows, scene = rows[order], scene[order]
    rank = _ranks(scene)
    counted = rank < params.most
    rows, scene, rank = rows[counted], scene[counted], rank[counted]
    box = found.box[rows]

    category, image = np.divmod(scene, max(len(images), 1))
    final = np.lexsort((-found.score[rows], category))
    detection, size, iou, true = _taken(objects, scene, box, params)
    keys = [np.argsort(final)[detection], iou, category[detection], size]
    order = np.lexsort(keys)
    match_detection, match_iou, match_category, match_size = (key[order] for key in keys)
    truth_size, counting = np.nonzero(objects.counted.T)
    truth_category, truth_image = np.divmod(objects.scene[counting], max(len(images), 1))
    return Matches(
        image_ids=images,
        category_ids=categories,
        detection_image=image[final],
        detection_category=category[final],
        detection_rank=rank[final],
        inside=_inside(params, box[final, 2] * box[final, 3]).T,
        match_size=match_size,
        match_category=match_category,
        match_iou=match_iou,
        match_detection=match_detection,
        match_true=true[order],
        truth_size=truth_size,
        truth_category=truth_category,
        truth_image=truth_image,
    )


@dataclass(frozen=True)
class _Objects:
    """The true objects as columns, sorted by scene.

    scene: int64 [G]: one category in one image is one scene; scenes are numbered by category, then image.
    box: float64 [G, 4]. crowd: bool [G]. counted: bool [G, 4], whether it counts at each size.
    """

    scene: Int64
    box: Float64
    crowd: Bool
    counted: Bool


def _objects(truth: Annotations, images: Int64, categories: Int64, params: CocoParams) -> _Objects:
    rows = truth.annotations.in_images(images)
    scene = _scenes(rows.category_id, rows.image_id, categories, images)
    order = np.argsort(scene, kind="stable")
    rows = rows[order]
    return _Objects(scene[order], rows.box, rows.crowd, _inside(params, rows.area) & ~rows.crowd[:, None])


def _scenes(category_id: Int64, image_id: Int64, categories: Int64, images: Int64) -> Int64:
    """The scene of each pair of ids, which must all be known: int64 [N]."""
    scenes: Int64 = np.searchsorted(categories, category_id) * len(images) + np.searchsorted(images, image_id)
    return scenes


def _inside(params: CocoParams, areas: Float64) -> Bool:
    """Whether areas float64 [N] have each size: bool [N, 4]."""
    low, high = params.areas.T
    inside: Bool = (areas[:, None] >= low) & (areas[:, None] <= high)
    return inside


def _starts(scene: Int64) -> Int64:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.diff(scene, prepend=-1))


def _ranks(scene: Int64) -> Int64:
    """The position of each value within its run of equal values, from 0."""
    starts = _starts(scene)
    return np.arange(len(scene)) - np.repeat(starts, np.diff(starts, append=len(scene)))


def _taken(objects: _Objects, scene: Int64, box: Float64, params: CocoParams) -> tuple[Int64, Int64, Int64, Bool]:
    """Each detection that takes an object at a size and threshold: its index, size, threshold, and whether it counts.

    Args:
        scene, box: of the detections, sorted by scene, then rank.
    """
    first, last = (np.searchsorted(objects.scene, scene, side) for side in ("left", "right"))
    rivals = np.flatnonzero(last > first)
    pairs = (last - first)[rivals]
    starts = _starts(scene[rivals])
    batch = (np.cumsum(pairs) - pairs)[starts] // _PAIRS_AT_ONCE
    cuts = starts[_starts(batch)].tolist()
    parts = [(rivals[:0], rivals[:0], rivals[:0], np.zeros(0, bool))]
    for start, end in zip(cuts, [*cuts[1:], len(rivals)], strict=False):
        detection = np.repeat(rivals[start:end], pairs[start:end])
        of_detection = np.arange(len(detection)) - np.repeat(
            np.cumsum(pairs[start:end]) - pairs[start:end], pairs[start:end]
        )
        object_ = first[detection] + of_detection
        iou = _overlaps(box[detection], objects.box[object_], objects.crowd[object_])
        near = iou >= params.ious[0]
        parts.extend(_greedy(objects, scene, detection[near], object_[near], iou[near], params))
    detection, size, level, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    return detection, size, level, true


def _overlaps(some: Float64, others: Float64, crowd: Bool) -> Float64:
    """IoU float64 [N] of boxes [N, 4] with others, pair by pair, equal to pycocotools' `bbIou` to the last bit."""
    low = np.maximum(some[:, :2], others[:, :2])
    high = np.minimum(some[:, :2] + some[:, 2:], others[:, :2] + others[:, 2:])
    width, height = (high - low).T
    shared = np.where((width > 0) & (height > 0), width * height, 0.0)
    own, other = some[:, 2] * some[:, 3], others[:, 2] * others[:, 3]
    union = np.where(crowd, own, own + other - shared)
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)


def _greedy(
    objects: _Objects, scene: Int64, detection: Int64, object_: Int64, iou: Float64, params: CocoParams
) -> Iterator[tuple[Int64, Int64, Int64, Bool]]:
    """Yield what `_taken` returns, for pairs of a detection and an object near it, and their IoU.

    Detections of different scenes do not compete. So in each round one detection of every scene takes its object, at
    all sizes and thresholds at once.
    """
    if not len(detection):
        return
    order = np.lexsort((object_, iou, detection))  # the later pairs of a detection are the better ones
    detection, object_, iou = detection[order], object_[order], iou[order]
    starts = _starts(detection)
    turn = np.repeat(_ranks(scene[detection[starts]]), np.diff(starts, append=len(detection)))
    by_turn = np.argsort(turn, kind="stable")
    ends = np.cumsum(np.bincount(turn)).tolist()
    offset = object_.min()
    free = np.ones((object_.max() - offset + 1, len(params.areas), len(params.ious)), bool)
    for start, end in zip([0, *ends], ends, strict=False):
        pair = by_turn[start:end]
        fits = free[object_[pair] - offset] & (iou[pair, None] >= params.ious)[:, None]
        # Objects that count come before those that do not.
        liking = pair[:, None] + len(detection) * objects.counted[object_[pair]]
        best = np.maximum.reduceat(np.where(fits, liking[:, :, None], -1), _starts(detection[pair]))
        taker, size, level = np.nonzero(best >= 0)
        true, chosen = np.divmod(best[taker, size, level], len(detection))
        free[object_[chosen] - offset, size, level] = objects.crowd[object_[chosen]]
        yield detection[chosen], size, level, true > 0
