"""Accuracy runs in shards: which images a shard has, and the records of all shards as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssdbench.arrays import Int64
from ssdbench.coco.image_list import ImageList
from ssdbench.errors import UserError

# What must be the same in all shards, or the cell is of no one code, runtime and set of packages.
_SAME = ("code_sha256", "versions")


def shard_slice(number: int, size: int) -> slice:
    """The places in the image list that the shard with this number, from 1, has."""
    return slice((number - 1) * size, number * size)


def check_complete(image_ids: Int64, images: ImageList) -> None:
    """Make sure that the shards together saw each image of the list, once and in its order.

    image_ids: int64 [N], in the order of the shards.

    Raises:
        UserError: they saw others.
    """
    if not np.array_equal(image_ids, [record.id for record in images.images]):
        raise UserError(
            f"The shards hold {len(image_ids)} images that are not the {len(images.images)} of the image list of "
            f"{images.tag}. Correct the number of its images in the registry, or delete the cell's folder `shards`."
        )


def merged_record(shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the detect.json of a cell says besides its status, from those of its shards, all of them `ok`.

    Images, detections and seconds add up. What describes the code, the runtime and the machine is of the first shard;
    `shards` has what may differ between them, for they may have run on different machines.

    Raises:
        UserError: the shards were not made by the same code and packages.
    """
    first = shards[0]
    for key in _SAME:
        if any(shard[key] != first[key] for shard in shards):
            raise UserError(
                f"The shards differ in their {key}: they were made by other code or packages. Delete the cell's folder "
                "`shards`, and they are made again."
            )
    images, seconds = (sum(shard[key] for shard in shards) for key in ("images", "seconds"))
    return {
        **{key: value for key, value in first.items() if key not in ("status", "reason", "log")},
        "images": images,
        "detections": sum(shard["detections"] for shard in shards),
        "uncategorised": sum(shard["uncategorised"] for shard in shards),
        "seconds": round(seconds, 3),
        "images_per_second": round(images / seconds, 2) if seconds else 0.0,
        "shards": [
            {
                **{key: shard[key] for key in ("images", "detections", "seconds", "log")},
                **{key: shard["host"].get(key, "") for key in ("hostname", "cpu")},
            }
            for shard in shards
        ],
    }
