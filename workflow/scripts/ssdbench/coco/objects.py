"""True objects: rows and columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from ssdbench.arrays import Bool, Float64, Int64
from ssdbench.coco.entries import Box


@dataclass(frozen=True, slots=True)
class Annotation:
    """One true object: box [x, y, w, h] and area of its mask in pixels of the image as it is read, crowd or not."""

    id: int
    image_id: int
    category_id: int
    bbox: Box
    area: float
    iscrowd: bool


@dataclass(frozen=True, eq=False)
class Objects:
    """True objects as columns; as `Annotation`s one by one when iterated.

    id, image_id, category_id: int64 [N]. box: float64 [N, 4], x y w h in pixels of the image as it is read. area:
    float64 [N], of the masks in pixels. crowd: bool [N].
    """

    id: Int64
    image_id: Int64
    category_id: Int64
    box: Float64
    area: Float64
    crowd: Bool

    @staticmethod
    def of(rows: Iterable[Annotation]) -> Objects:
        """The columns of rows."""
        listed = list(rows)
        return Objects(
            id=np.array([row.id for row in listed], np.int64),
            image_id=np.array([row.image_id for row in listed], np.int64),
            category_id=np.array([row.category_id for row in listed], np.int64),
            box=np.array([row.bbox for row in listed], np.float64).reshape(-1, 4),
            area=np.array([row.area for row in listed], np.float64),
            crowd=np.array([row.iscrowd for row in listed], bool),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Objects) and all(map(np.array_equal, vars(self).values(), vars(other).values()))

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, which: Bool | Int64 | slice) -> Objects:
        """Some of them: by a mask bool [N], by their places or by a slice."""
        return Objects(*(getattr(self, column.name)[which] for column in fields(self)))

    def __iter__(self) -> Iterator[Annotation]:
        columns = (getattr(self, column.name).tolist() for column in fields(self))
        for identity, image_id, category_id, box, area, crowd in zip(*columns, strict=True):
            yield Annotation(identity, image_id, category_id, tuple(box), area, crowd)

    def in_images(self, image_ids: Iterable[int]) -> Objects:
        """Those in the given images, in the same order."""
        return self[np.isin(self.image_id, np.array(list(image_ids), np.int64))]
