"""The cells to measure: the artifacts and images of the project's own default run, or of COCO images given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from ssdbench.boxes.decoding import HeadDecoding
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.protocols import protocol
from ssdbench.coco.image_list import ImageList, ImageRecord, read_image_list
from ssdbench.conversion.artifact import open_artifact
from ssdbench.errors import UserError
from ssdbench.images.pixels import ChannelOrder
from ssdbench.inference.detect import fed_size, head_decoding
from ssdbench.plan.command_line import plan_of
from ssdbench.runtimes import open_session
from ssdbench.runtimes.base import Session


@dataclass(frozen=True)
class Target:
    """One cell: what runs, how its pixels go in, and the images of its dataset. It can be sent to another process."""

    name: str
    framework: str
    precision: str
    artifact: Path
    card: dict[str, Any]
    size: tuple[int, int]
    channel_order: ChannelOrder
    nms: dict[str, float]
    images: ImageList

    @property
    def decoding(self) -> HeadDecoding:
        """What turns its heads into boxes."""
        return head_decoding(self.card, self.nms, self.images.categories)

    def open(self, threads: int) -> Session:
        """A session of so many threads."""
        normalisation = Normalisation(**self.card["normalisation"])
        return open_session(self.framework, self.artifact, threads, normalisation, self.precision)

    def records(self, count: int) -> list[ImageRecord]:
        """So many image records: beyond those of the dataset the same files again, under other ids."""
        step = 1 + max(record.id for record in self.images.images)
        rotation: Iterator[ImageRecord] = cycle(self.images.images)
        return [
            replace(record, id=record.id + step * (index // len(self.images.images)))
            for index, record in enumerate(islice(rotation, count))
        ]


def prepare(only: Sequence[str] = ()) -> list[Target]:
    """Make the artifacts and the image list where they are not there, and say which cells there are.

    The dataset is `local` where COCO_IMG_PATH is set, and else the embedded sample.

    Args:
        only: names such as "tflite fp32"; empty for all.

    Raises:
        UserError: the configuration is wrong, or what a cell needs could not be made.
    """
    entries = ["dataset=local"] if os.environ.get("COCO_IMG_PATH") else []
    plan = plan_of([], entries)
    cells = [cell for cell in plan.supported if not only or f"{cell.framework} {cell.precision}" in only]
    lists = {plan.image_list(cell.dataset) for cell in cells}
    wanted = [*dict.fromkeys(plan.artifact(cell) for cell in cells), *sorted(lists)]
    config = ["--config", *entries] if entries else []
    command = [sys.executable, "-m", "snakemake", *wanted, "--cores", "all", "--quiet", "all", *config]
    if subprocess.run(command, check=False).returncode:
        raise UserError("What the benchmark measures could not be made: see above, or run `make run` first.")
    targets = []
    for cell in cells:
        card, artifact = open_artifact(Path(plan.card(cell)))
        how = protocol(cell.protocol)
        targets.append(
            Target(
                name=f"{cell.framework} {cell.precision}",
                framework=cell.framework,
                precision=cell.precision,
                artifact=artifact,
                card=card,
                size=fed_size(card, how),
                channel_order=how.channel_order,
                nms=dict(plan.config.nms),
                images=read_image_list(Path(plan.image_list(cell.dataset))),
            )
        )
    return targets
