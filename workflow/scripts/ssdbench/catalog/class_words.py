"""Classes as users write them: ids with ranges, and names."""

from __future__ import annotations

from collections.abc import Sequence

from ssdbench.coco.categories import coco_labels
from ssdbench.errors import UserError


def class_ids_of(items: Sequence[int | str | None], key: str) -> tuple[int | None, ...]:
    """Categories' ids from numbers, ranges such as `1-11` and None; `key` is named in the error.

    Raises:
        UserError: a range ends before it begins.
    """
    ids: list[int | None] = []
    for item in items:
        if item is None:
            ids.append(None)
            continue
        first, last = (int(end) for end in item.split("-")) if isinstance(item, str) else (item, item)
        if first > last:
            raise UserError(f"{key} has the range {item}, which ends before it begins.")
        ids += range(first, last + 1)
    return tuple(ids)


def labels_of(labels: str | Sequence[str | None]) -> tuple[str | None, ...]:
    """Class names by class number: the background at 0, whether it is named or not. labels: `coco`, or the names."""
    if labels == "coco":
        return coco_labels(91) or ()
    background = labels and (labels[0] is None or labels[0].lower() in ("background", "???"))
    return (None, *labels[1 if background else 0 :]) if labels else ()
