"""True objects and detections of single images: their overlaps, and which detection finds which object."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssdbench.arrays import Float64, Int64
from ssdbench.boxes.decoding import Found
from ssdbench.coco.detections import Detections
from ssdbench.coco.objects import Objects


@dataclass(frozen=True)
class Truths:
    """The true objects of one image, crowds left out, and its crowds.

    ids, class_ids: int64 [T], annotation and COCO category ids. boxes: float64 [T, 4], x y w h in pixels of
    the stored image. crowd_class_ids: int64 [C]. crowd_boxes: float64 [C, 4].
    """

    ids: Int64
    class_ids: Int64
    boxes: Float64
    crowd_class_ids: Int64
    crowd_boxes: Float64


def found_by_image(rows: Detections, image_ids: Collection[int], limit: int = 100) -> dict[int, Found]:
    """The best `limit` detections of each image, best first, ties in the order of the file; others are left out."""
    ids = np.array(sorted(set(image_ids)), np.int64)
    wanted = np.flatnonzero(np.isin(rows.image_id, ids))
    order = wanted[np.lexsort((-rows.score[wanted].astype(np.float32), rows.image_id[wanted]))]  # stable
    borders = np.searchsorted(rows.image_id[order], np.append(ids, ids[-1:] + 1))
    counts = np.diff(borders)
    best = order[np.arange(len(order)) - np.repeat(borders[:-1], counts) < limit]
    ends = np.cumsum(np.minimum(counts, limit)).tolist()
    class_ids, scores, boxes = rows.category_id[best], rows.score[best].astype(np.float32), rows.box[best]
    return {
        image_id: Found(class_ids[start:end], scores[start:end], boxes[start:end])
        for image_id, start, end in zip(ids.tolist(), [0, *ends], ends, strict=False)
    }


def truths_by_image(objects: Objects, image_ids: Collection[int]) -> dict[int, Truths]:
    """The true objects of each image, in the order of the file; other images are left out."""
    ids = np.array(list(image_ids), np.int64)
    single, single_in = _by_image(objects[~objects.crowd], ids)
    crowds, crowds_in = _by_image(objects[objects.crowd], ids)
    return {
        image_id: Truths(
            single.id[here], single.category_id[here], single.box[here], crowds.category_id[there], crowds.box[there]
        )
        for image_id, here, there in zip(ids.tolist(), single_in, crowds_in, strict=True)
    }


def _by_image(objects: Objects, image_ids: Int64) -> tuple[Objects, list[slice]]:
    """Objects sorted by image, otherwise in the same order, and where those of each image are."""
    ordered = objects[np.argsort(objects.image_id, kind="stable")]
    starts, ends = (np.searchsorted(ordered.image_id, image_ids, side).tolist() for side in ("left", "right"))
    return ordered, list(map(slice, starts, ends))


def overlaps(some: Float64, others: Float64, crowd: bool = False) -> Float64:
    """IoU float64 [M, N] of boxes [M, 4] and [N, 4], x y w h; boxes without area overlap nothing.

    crowd: the others are crowds. A box may cover any part of a crowd, so the shared area is divided by the box's own.
    """
    from pycocotools.mask import iou

    if not (len(some) and len(others)):
        return np.zeros((len(some), len(others)))
    shared: Float64 = iou(some, others, np.full(len(others), crowd))
    return np.where(np.isnan(shared), 0.0, shared)


def matches(same_class_overlaps: Float64, iou: float) -> Int64:
    """Which truth each detection finds: int64 [K], -1 for none.

    Detections come best first. Each takes the free truth that it overlaps most, if they overlap by `iou` or more.

    Args:
        same_class_overlaps: float64 [K, T], 0 where the classes differ.
    """
    free = same_class_overlaps.copy()
    found = np.full(len(free), -1)
    for row in np.flatnonzero((free >= iou).any(axis=1)):
        best = free[row].argmax()
        if free[row, best] >= iou:
            found[row] = best
            free[:, best] = 0
    return found


def partners(iou: Float64, alike: NDArray[np.bool_], least: float) -> tuple[Int64, Int64]:
    """Pairs of boxes of two lists, best first: rows and columns of `iou` [M, N], each at most once.

    The largest overlap comes first, down to `least`. Classes do not matter, except that of equal overlaps (several
    classes in one place) those of equal classes come first: `alike` [M, N].
    """
    rows, columns = np.nonzero(iou >= least)
    order = np.lexsort((~alike[rows, columns], -iou[rows, columns]))  # stable: then the better scores
    free_rows, free_columns = np.ones(iou.shape[0], bool), np.ones(iou.shape[1], bool)
    kept = []
    for index in order:
        row, column = rows[index], columns[index]
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            kept.append(index)
    return rows[kept], columns[kept]


def same_class(found: Found, truths: Truths) -> NDArray[np.bool_]:
    """Whether a detection and a truth have the same class: bool [K, T]."""
    alike: NDArray[np.bool_] = found.class_ids[:, None] == truths.class_ids
    return alike
