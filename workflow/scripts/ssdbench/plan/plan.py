"""The plan: from a configuration to the paths of everything a run makes. Nothing is opened but registry files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.frameworks import artifact_of, frameworks
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.registry import DatasetRow, Expected, HeldOut, Registry
from ssdbench.catalog.timing_setting import Setting
from ssdbench.files.hashing import files_of, fingerprint
from ssdbench.plan.config import Config
from ssdbench.plan.matrix import Cell

SAMPLE_IMAGES = 96  # of the embedded sample


@dataclass(frozen=True)
class Plan:
    """What a run will make and where.

    candidates: dataset -> a hash of what determines its calibration images before any of them is there.
    published_expected: what published rows let the cells expect that reproduce them.
    """

    config: Config
    registry: Registry
    cells: tuple[Cell, ...]
    candidates: Mapping[str, str]
    published_expected: Mapping[CellName, Expected]

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

    @property
    def cards(self) -> list[str]:
        """The cards of all artifacts that the cells need."""
        batches = {name: [1, *(setting.batch for setting in self.settings(name))] for name in self.supported}
        return list(dict.fromkeys(self.card(name, batch) for name, own in batches.items() for batch in own))

    @property
    def detections(self) -> list[str]:
        """The detections of all cells."""
        return [f"{self.folder(name)}/detections.json" for name in self.supported]

    @property
    def records(self) -> list[str]:
        """Every file that carries a status."""
        names = ["detect.json", "timing.json", "diagnosis.json", "run.json"]
        where: dict[str, Callable[[CellName], object]] = {
            "metrics.json": self.has_truth,
            "replicates.json": self.is_drawn,
            "parts.json": self.held_out_of,
            "parity.json": self.reference_of,
        }
        return [
            *self.cards,
            *(f"{self.folder(cell)}/{name}" for cell in self.supported for name in names),
            *(
                path
                for cell in self.supported
                for setting in self.settings(cell)
                for path in self.rounds(cell, setting)
            ),
            *(path for cell in self.supported for path in self.sweep(cell)),
            *(f"{self.folder(cell)}/{name}" for name, has in where.items() for cell in self.supported if has(cell)),
        ]

    @property
    def shard_records(self) -> list[str]:
        """The records of shards that are there."""
        sharded = (cell for cell in self.supported if self.is_sharded(cell.dataset))
        return [str(record) for cell in sharded for record in sorted(Path(self.shards(cell)).glob("*/detect.json"))]

    @property
    def products(self) -> list[str]:
        """Every file that a run is asked for by name, so that one that was deleted is made again.

        Snakemake by itself does not miss a file that nothing out of date depends on.
        """
        summaries = [self.summary(tag, suffix) for tag in self.tags for suffix in ("csv", "json", "md")]
        summaries += [f"{self.config.results_dir}/{tag}/sweep.csv" for tag in self.tags]
        return [*map(self.image_list, self.tags), *self.records, *self.detections, *summaries]

    def settings(self, name: CellName) -> list[Setting]:
        """The settings that a cell is timed at, the default one first."""
        refused = self._row(name).unsupported_batches
        return [setting for setting in self.config.timing.settings if setting.batch not in refused]

    def rounds(self, name: CellName, setting: Setting) -> list[str]:
        """The files of a setting's rounds."""
        numbers = range(1, self.config.timing.rounds + 1)
        return [f"{self.folder(name)}/timing/{setting.name}/round{number}.json" for number in numbers]

    def sweep(self, name: CellName) -> list[str]:
        """What the rounds of each setting say together, but for the default one, whose is timing.json."""
        others = [setting for setting in self.settings(name) if setting != self.config.timing.default]
        return [f"{self.folder(name)}/timing/{setting.name}/timing.json" for setting in others]

    def report_sweep(self, cells: Sequence[CellName]) -> list[str]:
        """The cells' `sweep`, or with `absent: failed` nothing: a report then looks for itself what there is."""
        return [path for name in cells for path in self.sweep(name)] if self.config.absent == "error" else []

    def summary(self, tag: str, suffix: str) -> str:
        """Path of a tag's summary."""
        return f"{self.config.results_dir}/{tag}/summary.{suffix}"

    def report_runs(self, cells: Sequence[CellName]) -> list[CellName]:
        """The cells whose run.json a report takes: with `absent: failed` none, it puts together what is there."""
        return list(cells) if self.config.absent == "error" else []

    def files_of(self, name: CellName) -> dict[str, str]:
        """The files of a cell's steps, by what they hold: those that run.json is made from, and two more."""
        folder = self.folder(name)
        reference = self.judged_against(name)
        where = {
            "source": f"resources/models/{name.model}/source/source.json",
            "images": self.image_list(name.dataset),
            "card": self.card(name),
            **{step: f"{folder}/{step}.json" for step in ("detections", "detect", "timing", "diagnosis")},
            "metrics": self.has_truth(name) and f"{folder}/metrics.json",
            "parts": self.held_out_of(name) and f"{folder}/parts.json",
            "parity": self.reference_of(name) and f"{folder}/parity.json",
            "replicates": self.is_drawn(name) and f"{folder}/replicates.json",
            "reference": reference and f"{self.folder(reference)}/replicates.json",
        }
        return {name: file for name, file in where.items() if file}

    @property
    def pages(self) -> list[str]:
        """The report of each tag, and the published report where there are published rows."""
        pages = [f"{self.config.results_dir}/{tag}/report/index.html" for tag in self.tags]
        if self.config.published:
            pages.append(f"{self.config.results_dir}/published/index.html")
        return pages

    @property
    def fetched_files(self) -> list[str]:
        """Everything that needs a network: sources of models, annotations and images, calibration images."""
        models = list(dict.fromkeys(name.model for name in self.supported))
        int8 = [name for name in self.supported if self.calibration_of(name)]
        return [
            *(f"resources/models/{model}/source/source.json" for model in models),
            *(self.image_list(tag) for tag in self.tags),
            *dict.fromkeys(self.calibration_list(self.dataset(name.dataset).name) for name in int8),
        ]

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

    def shards(self, name: CellName) -> str:
        """The folder of a cell's shards; those of another size lie beside it."""
        return f"{self.folder(name)}/shards/{self.config.shard_images}"

    def annotations(self, dataset: str) -> str:
        """Path of a dataset's instances file; empty for `local` where none was given."""
        if self.registry.dataset(dataset).kind == "local":
            return str(self.config.local.annotations or "")
        return f"resources/datasets/{dataset}/annotations.json"

    def has_truth(self, name: CellName) -> bool:
        """Whether there are annotations to hold a cell's detections against."""
        return bool(self.annotations(self.dataset(name.dataset).name))

    def image_folder(self, dataset: str) -> str:
        """The folder of a dataset's images."""
        if self.registry.dataset(dataset).kind == "local":
            return str(self.config.local.images)
        return f"resources/datasets/{dataset}/images"

    def calibration_folder(self, dataset: str) -> str:
        """The folder of a dataset's calibration images."""
        if self.registry.dataset(dataset).kind == "local":
            return str(self.config.local.calibration)
        return f"resources/datasets/{dataset}/calibration"

    def local_source(self, model: str) -> list[str]:
        """The files of a model that lies on this machine, so that a changed file is taken anew; else nothing."""
        source = self.registry.model(model).source
        return [str(file) for file in files_of(Path(source.path))] if source.kind == "local" else []

    def anchor_file(self, model: str) -> list[str]:
        """The file of a model's anchors, where its row names one."""
        anchors = self.registry.model(model).anchors
        return [str(anchors)] if anchors else []

    def folder_state(self, dataset: str) -> str:
        """For `local`, a hash that changes with the files of its image folder; else empty."""
        return self._local_state if self.registry.dataset(dataset).kind == "local" else ""

    @cached_property
    def _local_state(self) -> str:
        return fingerprint([self.config.local.images] if self.config.local.images else [])

    def cell(self, words: Any) -> CellName:
        """The cell that an object with the attributes tag, model, protocol, framework, precision names."""
        return CellName(words.tag, words.model, words.protocol, words.framework, words.precision)

    def settings_of(self, name: CellName) -> dict[str, Any]:
        """The parts of the configuration that bear on a cell, as plain data for its provenance."""
        uses_nms = protocol(name.protocol).graph_kind == "heads"
        return {
            "registries": [str(file) for file in self.config.registries],
            "calibration": self.calibration_of(name),
            "nms": dict(self.config.nms) if uses_nms else None,
            "timing": vars(self.config.timing),
            "verdict": vars(self.config.verdict),
            "seeds": {"calibration": self.config.calibration_seed, "bootstrap": self.config.verdict.seed},
        }

    def report_context(self, tag: str) -> dict[str, Any]:
        """What the report of a tag needs besides its runs, as plain data."""
        return self._context("dataset", tag, [cell for cell in self.cells if cell.name.dataset == tag])

    def _unsupported(self, cells: Sequence[Cell]) -> list[dict[str, Any]]:
        """The cells that a report states without a run."""
        return [
            {"cell": dict(vars(cell.name)), "status": "unsupported", "reason": cell.unsupported}
            for cell in cells
            if cell.unsupported is not None
        ]

    @property
    def published_context(self) -> dict[str, Any]:
        """The same for the report of the published rows."""
        return self._context("published", "published", [cell for cell in self.cells if cell.is_published])

    def _context(self, kind: str, tag: str, cells: Sequence[Cell]) -> dict[str, Any]:
        models = {cell.name.model: self.registry.model(cell.name.model) for cell in cells}
        datasets = {row.name: row for row in (self.dataset(cell.name.dataset) for cell in cells)}
        framework, precision = self.config.reference
        return {
            "kind": kind,
            "tag": tag,
            "reference": {"framework": framework, "precision": precision},
            "models": {
                name: {
                    "title": row.title,
                    "licence": row.licence,
                    "trained_on": row.trained_on,
                    "source": row.source.describe(),
                    "references": list(row.references),
                }
                for name, row in models.items()
            },
            "licences": [
                *({"what": row.title, "licence": row.licence} for row in datasets.values()),
                *({"what": row.title, "licence": row.licence} for row in models.values()),
            ],
            "config": {
                "calibration": {
                    "images": self.config.calibration_images,
                    "seed": self.config.calibration_seed,
                },
                "nms": dict(self.config.nms),
                "timing": dict(vars(self.config.timing)),
                "registries": [str(file) for file in self.config.registries],
                "mirror": self.config.mirror,
            },
            "unsupported": self._unsupported(cells),
            "settings": [setting.name for setting in self.config.timing.settings],
            "unsupported_settings": {
                "/".join(vars(cell.name).values()): {
                    setting.name: cell.unsupported_batches[setting.batch]
                    for setting in self.config.timing.settings
                    if setting.batch in cell.unsupported_batches
                }
                for cell in cells
                if cell.unsupported_batches
            },
        }

    def image_list(self, tag: str) -> str:
        """Path of a tag's image list."""
        return f"{self.config.results_dir}/{tag}/images.json"

    def folder(self, name: CellName) -> str:
        """The cell's result folder."""
        return f"{self.config.results_dir}/{name.path}"

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
        if name.precision != "int8" or self.registry.model(name.model).given is not None:
            return ""
        return self.calibration_id(self.dataset(name.dataset).name)

    def calibration_id(self, dataset: str) -> str:
        """Dataset, number, seed, and 8 hex digits of the hash of its candidate images."""
        number, seed = self.config.calibration_images, self.config.calibration_seed
        return f"{dataset}-{number}-seed{seed}-{self.candidates[dataset][:8]}"

    def calibration_list(self, dataset: str) -> str:
        """Path of the list of a dataset's calibration images."""
        return self.calibration_list_of(self.calibration_id(dataset))

    def calibration_list_of(self, calibration: str) -> str:
        """Path of the list with that calibration id."""
        return f"resources/datasets/{calibration.split('-')[0]}/calibrations/{calibration}.json"

    def card(self, name: CellName, batch: int = 1) -> str:
        """Path of the card of the artifact that a cell runs, or of the one that it is timed with at a batch."""
        framework, precision = artifact_of(name.framework, name.precision)
        calibration = self.calibration_of(name)
        has_own = batch > 1 and frameworks()[framework].fixes_batch
        version = precision + (f"-b{batch}" if has_own else "") + (f"-{calibration}" if calibration else "")
        kind = self._row(name).graph_kind
        return f"resources/models/{name.model}/artifacts/{kind}/{framework}/{version}/card.json"

    def _row(self, name: CellName) -> Cell:
        return next(cell for cell in self.cells if cell.name == name)
