"""The names of the twelve COCO metrics."""

from __future__ import annotations

# The order of COCOeval.stats.
METRICS = (
    "AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge",
    "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge",
)  # fmt: skip
