"""Matches detections to true objects as COCO does; every AP is computed from this."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ssdbench.arrays import Bool, Float64, Int64, Integers, places
from ssdbench.coco.annotations import Annotations
from ssdbench.coco.detections import Detections

_PAIRS_AT_ONCE = 1 << 18  # pairs of a detection and an object; bounds memory


@dataclass(frozen=True)
class CocoParams:
    """COCO's parameters for boxes.

    ious: float64 [10], the thresholds .5, .55, ... .95. recalls: float64 [101], at which precision is read.
    areas: float64 [4, 2], smallest and largest area in pixels, both included: all, small, medium, large.
    most: 1, 10 and 100, how many detections of one category count in an image: all but the last only for recall.
    """

    ious: Float64
    recalls: Float64
    areas: Float64
    most: tuple[int, ...]


@dataclass(frozen=True)
class Matches:
    """The detections of one cell, matched to the true objects of its images.

    Images, categories, sizes and thresholds are given by index into `image_ids`, `category_ids`,
    `CocoParams.areas` and `CocoParams.ious`.

    image_ids: int64 [N]. category_ids: int64 [K]. Both ascend.
    detection_image, detection_category: integers [D], sorted by category, then as COCO ranks detections: by score
        descending, then image, then the order given. Detections beyond `CocoParams.most` are left out.
    inside: bool [4, D], whether the detection's own area has that size.
    taker: int64 [E], ascending: the detections that take an object at any size and threshold.
    taker_rank: int64 [E], the rank of each among the detections of the same image and category, from 0.
    taken: bool [4, 10, E], at which sizes and thresholds each takes an object. true: bool [4, 10, E], whether that
        object counts at that size; if it does not (a crowd, or another size), the detection does not count either.
    truth_size, truth_category, truth_image: int64 [G], sorted by these three: each object once for each size at
        which it counts.

    A detection that takes no object at a size and threshold is false if it is `inside`; otherwise it does not count.
    """

    image_ids: Int64
    category_ids: Int64
    detection_image: Integers
    detection_category: Integers
    inside: Bool
    taker: Int64
    taker_rank: Int64
    taken: Bool
    true: Bool
    truth_size: Int64
    truth_category: Int64
    truth_image: Int64


def coco_params() -> CocoParams:
    """COCO's parameters, taken from pycocotools."""
    from pycocotools.cocoeval import Params

    theirs = Params("bbox")
    return CocoParams(theirs.iouThrs, theirs.recThrs, np.array(theirs.areaRng, np.float64), tuple(theirs.maxDets))


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
    image, category = _indices(images, found.image_id), _indices(categories, found.category_id)
    scene = image.astype(np.int64) * len(categories) + category
    known = np.flatnonzero((image >= 0) & (category >= 0))
    rows, by_scene, rank = _ranked(known, (image, -found.score, category), scene, params.most[-1])

    near, taken, true = _taken(objects, scene[rows[by_scene]], found.box, rows[by_scene], params)
    takes = np.flatnonzero(taken.any(axis=(1, 2)))
    takes = takes[np.argsort(by_scene[near[takes]])]
    near, taken, true = near[takes], taken[takes], true[takes]
    truth_size, counting = np.nonzero(objects.counted.T)
    truth_image, truth_category = np.divmod(objects.scene[counting], max(len(categories), 1))
    order = np.argsort(truth_size * len(categories) + truth_category, kind="stable")
    return Matches(
        image_ids=images,
        category_ids=categories,
        detection_image=image[rows],
        detection_category=category[rows],
        inside=_inside(params, (found.box[:, 2] * found.box[:, 3])[rows]),
        taker=by_scene[near],
        taker_rank=rank[near],
        taken=np.ascontiguousarray(taken.transpose(1, 2, 0)),
        true=np.ascontiguousarray(true.transpose(1, 2, 0)),
        truth_size=truth_size[order],
        truth_category=truth_category[order],
        truth_image=truth_image[order],
    )


@dataclass(frozen=True)
class _Objects:
    """The true objects as columns, sorted by scene.

    scene: int64 [G]: one category in one image is one scene; scenes are numbered by image, then category.
    box: float64 [G, 4]. crowd: bool [G]. counted: bool [G, 4], whether it counts at each size.
    """

    scene: Int64
    box: Float64
    crowd: Bool
    counted: Bool


def _objects(truth: Annotations, images: Int64, categories: Int64, params: CocoParams) -> _Objects:
    rows = truth.annotations.in_images(images)
    scene = places(images, rows.image_id) * len(categories) + places(categories, rows.category_id)
    order = np.argsort(scene, kind="stable")
    rows = rows[order]
    return _Objects(scene[order], rows.box, rows.crowd, (_inside(params, rows.area) & ~rows.crowd).T)


def _indices(ids: Int64, values: Int64) -> Integers:
    """`places` in the smallest type that holds them: NumPy sorts such numbers several times as fast."""
    return places(ids, values).astype(np.min_scalar_type(-len(ids) - 1))


def _ranked(rows: Int64, keys: Sequence[Integers | Float64], scene: Int64, most: int) -> tuple[Int64, Int64, Int64]:
    """Rows of detections in the order of `Matches`; their places in it, by scene, then rank; and the ranks there.

    Args:
        rows: int64, ascending. keys: image, negative score and category of each row. scene: of each row.
        most: rows of a higher rank are left out.
    """
    order = rows
    for key in keys:
        order = order[np.argsort(key[order], kind="stable")]
    by_scene = np.argsort(keys[0][order], kind="stable")
    rank = _ranks(scene[order[by_scene]])
    if rank.max(initial=0) >= most:
        return _ranked(np.sort(order[by_scene[rank < most]]), keys, scene, most)
    return order, by_scene, rank


def _inside(params: CocoParams, areas: Float64) -> Bool:
    """Whether areas float64 [N] have each size: bool [4, N]."""
    return np.array([(areas >= low) & (areas <= high) for low, high in params.areas])


def _starts(values: Int64) -> Int64:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.diff(values, prepend=-1))


def _ranks(values: Int64) -> Int64:
    """The position of each value within its run of equal values, from 0."""
    starts = _starts(values)
    return np.arange(len(values)) - np.repeat(starts, np.diff(starts, append=len(values)))


def _taken(
    objects: _Objects, scene: Int64, boxes: Float64, rows: Int64, params: CocoParams
) -> tuple[Int64, Bool, Bool]:
    """The detections near an object: their indices, ascending; what they take and whether it counts, bool [n, 4, 10].

    Args:
        scene: of the detections, which are sorted by scene, then rank. rows: where their boxes are in `boxes`.
    """
    first, last = (np.searchsorted(objects.scene, scene, side) for side in ("left", "right"))
    rivals = np.flatnonzero(last > first)
    first, pairs = first[rivals], (last - first)[rivals]
    starts = _starts(scene[rivals])
    batch = (np.cumsum(pairs) - pairs)[starts] // _PAIRS_AT_ONCE
    cuts = starts[_starts(batch)].tolist()
    none = np.zeros((0, len(params.areas), len(params.ious)), bool)
    parts = [(rivals[:0], none, none)]
    for start, end in zip(cuts, [*cuts[1:], len(rivals)], strict=False):
        some = slice(start, end)
        detection = np.repeat(rivals[some], pairs[some])
        object_ = np.repeat(first[some], pairs[some]) + _ranks(detection)
        iou = _overlaps(boxes[rows[detection]], objects.box[object_], objects.crowd[object_])
        near = iou >= params.ious[0]
        parts.append(_taken_of_near(objects, scene, detection[near], object_[near], iou[near], params))
    detection, taken, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    return detection, taken, true


def _overlaps(some: Float64, others: Float64, crowd: Bool) -> Float64:
    """IoU float64 [N] of boxes [N, 4] with others, pair by pair, equal to pycocotools' `bbIou` to the last bit."""
    low = np.maximum(some[:, :2], others[:, :2])
    high = np.minimum(some[:, :2] + some[:, 2:], others[:, :2] + others[:, 2:])
    width, height = (high - low).T
    shared = np.where((width > 0) & (height > 0), width * height, 0.0)
    own, other = some[:, 2] * some[:, 3], others[:, 2] * others[:, 3]
    union = np.where(crowd, own, own + other - shared)
    return np.divide(shared, union, out=np.zeros(len(shared)), where=shared > 0)


def _taken_of_near(
    objects: _Objects, scene: Int64, detection: Int64, object_: Int64, iou: Float64, params: CocoParams
) -> tuple[Int64, Bool, Bool]:
    """What `_taken` returns, for pairs of a detection and an object near it, sorted by these two, and their IoU."""
    starts = _starts(detection)
    pairs = np.diff(starts, append=len(detection))
    contested = np.zeros(len(objects.scene), bool)
    contested[object_[np.repeat(pairs > 1, pairs)]] = True
    hard = contested[object_]
    taken, true = np.empty((2, len(starts), len(params.areas), len(params.ious)), bool)
    of_easy, of_hard = ~hard[starts], hard[starts]
    taken[of_easy], true[of_easy] = _first_come(objects, object_[~hard], iou[~hard], params)
    taken[of_hard], true[of_hard] = _in_turn(objects, scene, detection[hard], object_[hard], iou[hard], params)
    return detection[starts], taken, true


def _first_come(objects: _Objects, object_: Int64, iou: Float64, params: CocoParams) -> tuple[Bool, Bool]:
    """What detections take that have one object near them, which has no detection near it that has another.

    Such an object is taken up to a threshold by the first that reaches it, and above it by later ones. It does not
    matter for that whether the object counts.
    """
    order = np.argsort(object_, kind="stable")
    low = object_[order] * (len(params.ious) + 1)  # levels of an object are above all of the one before
    high = low + np.searchsorted(params.ious, iou[order], side="right")
    reached = np.maximum.accumulate(np.append(-1, high[:-1]))
    free = np.where(objects.crowd[object_[order]], low, np.maximum(low, reached))
    level = low[:, None] + np.arange(len(params.ious))
    taken = np.empty((len(order), 1, len(params.ious)), bool)
    taken[order, 0] = (level >= free[:, None]) & (level < high[:, None])
    taken, counted = np.broadcast_arrays(taken, objects.counted[object_, :, None])
    return taken, taken & counted


def _in_turn(
    objects: _Objects, scene: Int64, detection: Int64, object_: Int64, iou: Float64, params: CocoParams
) -> tuple[Bool, Bool]:
    """What any detections take, for pairs as `_taken_of_near` has them.

    Detections of different scenes do not compete. So in each round one detection of every scene takes its object, at
    all sizes and thresholds at once.
    """
    order = np.lexsort((object_, iou, detection))  # the later pairs of a detection are the better ones
    detection, object_, iou = detection[order], object_[order], iou[order]
    starts = _starts(detection)
    pairs = np.diff(starts, append=len(detection))
    turn = np.repeat(_ranks(scene[detection[starts]]), pairs)
    by_turn = np.argsort(turn, kind="stable")
    ends = np.cumsum(np.bincount(turn)).tolist()
    offset = object_.min(initial=len(objects.scene))
    free = np.ones((object_.max(initial=offset) - offset + 1, len(params.areas), len(params.ious)), bool)
    best = np.empty((len(starts), *free.shape[1:]), np.int64)
    place = np.repeat(np.arange(len(starts)), pairs)
    for start, end in zip([0, *ends], ends, strict=False):
        pair = by_turn[start:end]
        fits = free[object_[pair] - offset] & (iou[pair, None] >= params.ious)[:, None]
        # Objects that count come before those that do not.
        liking = pair[:, None] + len(detection) * objects.counted[object_[pair]]
        first = _starts(detection[pair])
        liked = np.maximum.reduceat(np.where(fits, liking[:, :, None], -1), first)
        best[place[pair[first]]] = liked
        taker, size, level = np.nonzero(liked >= 0)
        chosen = object_[liked[taker, size, level] % len(detection)]
        free[chosen - offset, size, level] = objects.crowd[chosen]
    return best >= 0, best >= len(detection)
