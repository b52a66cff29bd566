"""The plan: what a configuration asks for, cell by cell. Nothing is opened but registry files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.frameworks import CALIBRATED, frameworks
from ssdbench.catalog.registry import DatasetRow, Expected, HeldOut, Registry
from ssdbench.catalog.support import artifact_for
from ssdbench.catalog.timing_setting import Setting
from ssdbench.files.hashing import fingerprint
from ssdbench.files.model_files import model_files
from ssdbench.plan import paths
from ssdbench.plan.config import Config
from ssdbench.plan.matrix import Cell
from ssdbench.plan.paths import Paths, fill

SAMPLE_IMAGES = 96  # of the embedded sample


@dataclass(frozen=True)
class Plan:
    """What a run will make and where.

    candidates: dataset -> a hash (of the sample: its version) of what determines its calibration images before any of
        them is there.
    published_expected: what published rows let the cells expect that reproduce them.
    """

    config: Config
    registry: Registry
    cells: tuple[Cell, ...]
    candidates: Mapping[str, str]
    published_expected: Mapping[CellName, Expected]

    @cached_property
    def paths(self) -> Paths:
        """Where the files of this configuration lie."""
        return Paths(self.config.results_dir, self.config.shard_images)

    @cached_property
    def supported(self) -> list[CellName]:
        """The cells that run."""
        return [cell.name for cell in self.cells if cell.unsupported is None]

    @cached_property
    def tags(self) -> list[str]:
        """The dataset tags that have a cell, supported or not."""
        return list(dict.fromkeys(cell.name.dataset for cell in self.cells))

    @property
    def published(self) -> list[CellName]:
        """The published cells that run."""
        return [cell.name for cell in self.cells if cell.is_published and cell.unsupported is None]

    @property
    def published_tags(self) -> list[str]:
        """The dataset tags of the published rows."""
        return list(dict.fromkeys(cell.dataset for cell in self.config.published))

    def settings(self, name: CellName) -> list[Setting]:
        """The settings that a cell is timed at, the default one first."""
        refused = self._row(name).unsupported_batches
        return [setting for setting in self.config.timing.settings if setting.batch not in refused]

    def dataset(self, tag: str) -> DatasetRow:
        """The registry row of a tag's dataset."""
        return self.registry.dataset(self.config.tags[tag].name)

    def image_count(self, tag: str) -> int:
        """How many images a tag stands for; 0 where only a look at the files of `local` could tell."""
        parsed = self.config.tags[tag]
        row = self.dataset(tag)
        if parsed.count:
            return parsed.count
        if parsed.rule == "ids":
            return len(self.config.id_files.get(parsed.ids, ()))
        if row.kind == "sample":
            return SAMPLE_IMAGES
        return row.images.count if row.images else 0

    def is_sharded(self, tag: str) -> bool:
        """Whether the accuracy runs over a tag's images are split into shards."""
        size, count = self.config.shard_images, self.image_count(tag)
        return size > 0 and (count == 0 or count > size)

    def shard_numbers(self, count: int) -> range:
        """The numbers, from 1, of the shards that so many images make."""
        return range(1, math.ceil(count / self.config.shard_images) + 1)

    def file(self, name: CellName, file: str) -> str:
        """A file in a cell's folder, such as detections.json."""
        return fill(self.paths.of_cell(file), name)

    def folder(self, name: CellName) -> str:
        """The cell's result folder."""
        return fill(self.paths.cell, name)

    def image_list(self, tag: str) -> str:
        """The list of a tag's images."""
        return fill(self.paths.image_list, tag=tag)

    def annotations(self, dataset: str) -> str:
        """A dataset's instances file; empty for `local` where none was given."""
        if self.is_local(dataset):
            return str(self.config.local.annotations or "")
        return fill(paths.ANNOTATIONS, dataset=dataset)

    def is_local(self, dataset: str) -> bool:
        """Whether a dataset's files are the user's own."""
        return self.registry.dataset(dataset).kind == "local"

    def image_folder(self, tag: str) -> str:
        """The folder of a tag's images."""
        row = self.dataset(tag)
        if row.kind == "local":
            return str(self.config.local.images)
        return fill(paths.IMAGES, dataset=row.name) if row.kind == "sample" else fill(paths.TAG_IMAGES, tag=tag)

    def calibration_folder(self, dataset: str) -> str:
        """The folder that calibration images are chosen from."""
        if self.is_local(dataset):
            return str(self.config.local.calibration)
        return fill(paths.CALIBRATION, dataset=dataset)

    def made_calibration_folder(self, calibration: str) -> str:
        """The folder of the calibration images with that id, where a job of this workflow makes it; else empty."""
        dataset = calibration.partition("-")[0]
        kind = self.registry.dataset(dataset).kind
        if kind == "coco":
            return fill(paths.CALIBRATION_IMAGES, dataset=dataset, calibration=calibration)
        return fill(paths.CALIBRATION, dataset=dataset) if kind == "sample" else ""

    def has_truth(self, name: CellName) -> bool:
        """Whether there are annotations to hold a cell's detections against."""
        return bool(self.annotations(self.dataset(name.dataset).name))

    def orientation(self, dataset: str) -> str:
        """Which pixels a dataset's annotations mean, `stored` or `displayed`; empty where that is to be found out."""
        row = self.registry.dataset(dataset)
        return (self.config.local.orientation if row.kind == "local" else "") or row.orientation

    def local_source(self, model: str) -> list[str]:
        """The files of a model that lies on this machine, so that a changed file is taken anew; else nothing."""
        source = self.registry.model(model).source
        return [str(file) for file in model_files(Path(source.path))] if source.kind == "local" else []

    def anchor_file(self, model: str) -> list[str]:
        """The file of a model's anchors, where its row names one."""
        anchors = self.registry.model(model).anchors
        return [str(anchors)] if anchors else []

    def folder_state(self, dataset: str) -> str:
        """For `local`, a hash that changes with the files of its image folder; else empty."""
        return self._local_state if self.is_local(dataset) else ""

    @cached_property
    def _local_state(self) -> str:
        return fingerprint([self.config.local.images] if self.config.local.images else [])

    def cell(self, words: Any) -> CellName:
        """The cell that an object with the attributes tag, model, protocol, framework, precision names."""
        return CellName(words.tag, words.model, words.protocol, words.framework, words.precision)

    def reference_of(self, name: CellName) -> CellName | None:
        """The cell that a cell is compared with; None for the reference itself, and where there is none."""
        reference = CellName(name.dataset, name.model, name.protocol, *self.config.reference)
        return None if reference == name or reference not in self.supported else reference

    def judged_against(self, name: CellName) -> CellName | None:
        """The reference that a cell's AP is judged against; None without ground truth.

        The sample's scenes depend on one another, so an interval over them would say nothing.
        """
        return self.reference_of(name) if self._can_be_drawn(name) else None

    def is_drawn(self, name: CellName) -> bool:
        """Whether a cell's AP is drawn many times: it is judged or judged against, or reproduces a published row."""
        return self._can_be_drawn(name) and (name in self.published or name in self._judged_pairs)

    @cached_property
    def _judged_pairs(self) -> set[CellName]:
        pairs = [(cell, self.judged_against(cell)) for cell in self.supported]
        return {cell for pair in pairs if pair[1] for cell in pair if cell}

    def _can_be_drawn(self, name: CellName) -> bool:
        return self.has_truth(name) and self.dataset(name.dataset).kind != "sample"

    def held_out_of(self, name: CellName) -> HeldOut | None:
        """The images that the cell's model was not trained on, where it may have seen others of the dataset."""
        return self.registry.model(name.model).held_out if self._can_be_drawn(name) else None

    def expected_of(self, name: CellName) -> Expected | None:
        """The AP that a cell is expected to have, by the registry or as published."""
        rows = self.registry.model(name.model).expected
        wanted = (name.dataset, name.protocol, name.precision)
        own = (row for row in rows if (row.dataset, row.protocol, row.precision) == wanted)
        return next(own, self.published_expected.get(name))

    def expected_fields(self, name: CellName) -> dict[str, Any] | None:
        """The same as plain data, which Snakemake tracks."""
        expected = self.expected_of(name)
        return asdict(expected) if expected else None

    def calibration_of(self, name: CellName) -> str:
        """The calibration id of an int8 cell; empty for others and for files that come quantised."""
        if name.precision not in CALIBRATED or self.registry.model(name.model).given is not None:
            return ""
        return self.calibration_id(self.dataset(name.dataset).name)

    def calibration_id(self, dataset: str) -> str:
        """Dataset, number, seed, and 8 hex digits of the hash of its candidate images."""
        number, seed = self.config.calibration_images, self.config.calibration_seed
        return f"{dataset}-{number}-seed{seed}-{self.candidates[dataset][:8]}"

    def quantisation_of(self, name: CellName) -> str:
        """What decides an int8 cell's file besides its calibration images, as a part of its path; mostly empty."""
        if not self.calibration_of(name):
            return ""
        fixed = self.config.weight_bits != "auto" and self.artifact_of(name)[0] == "onnxruntime"
        bits = f"-{self.config.weight_bits}bit" if fixed else ""
        return bits + (f"-share{self.config.verdict.share:g}" if name.precision == "int8_mixed" else "")

    def calibration_list(self, calibration: str) -> str:
        """The list of the calibration images with that id."""
        return fill(paths.CALIBRATION_LIST, dataset=calibration.partition("-")[0], calibration=calibration)

    def artifact_of(self, name: CellName) -> tuple[str, str]:
        """Framework and precision of the artifact that a cell runs."""
        return artifact_for(self.registry.model(name.model), name.framework, name.precision)

    def artifact(self, name: CellName, batch: int = 1) -> str:
        """The folder of the artifact that a cell runs, or of the one that it is timed with at a batch."""
        framework, precision = self.artifact_of(name)
        calibration = self.calibration_of(name)
        has_own = batch > 1 and frameworks()[framework].fixes_batch
        version = precision + (f"-b{batch}" if has_own else "") + (f"-{calibration}" if calibration else "")
        version += self.quantisation_of(name)
        kind = self._row(name).graph_kind
        return fill(paths.ARTIFACT, model=name.model, kind=kind, framework=framework, precision=version)

    def card(self, name: CellName, batch: int = 1) -> str:
        """The card of that artifact."""
        return f"{self.artifact(name, batch)}/card.json"

    def _row(self, name: CellName) -> Cell:
        return next(cell for cell in self.cells if cell.name == name)
