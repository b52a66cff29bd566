"""Every path of a run: patterns with Snakemake's wildcards, and functions that fill them. No path is written elsewhere.

Wildcards: {tag} a dataset tag, {dataset} its name, {model}, {protocol}, {framework}, {precision} the words of a cell;
{kind} a graph kind, {calibration} a calibration id, {quantisation} what else decides an int8 file (`-7bit`; mostly
empty), {batch} images a call, {setting} and {round} of a timing, {shard}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ssdbench.catalog.cell_name import CellName

CHECKSUMS = "resources/checksums.yaml"
DOWNLOADS = "resources/downloads"

# A model: its source as published, and its artifacts, each a folder with the model file and card.json.
SOURCE = "resources/models/{model}/source"
ARTIFACT = "resources/models/{model}/artifacts/{kind}/{framework}/{precision}"
INT8_ARTIFACT = f"{ARTIFACT}-{{calibration}}{{quantisation}}"
BATCH_ARTIFACT = f"{ARTIFACT}-b{{batch}}{{calibrated}}"
SINGLE_ARTIFACT = f"{ARTIFACT}{{calibrated}}"  # which a batch's artifact is made from

# A dataset: annotations, and folders of images. Every tag of a downloaded dataset has a folder of its own images.
ANNOTATIONS = "resources/datasets/{dataset}/annotations.json"
IMAGES = "resources/datasets/{dataset}/images"
TAG_IMAGES = "resources/images/{tag}"
CALIBRATION = "resources/datasets/{dataset}/calibration"
CALIBRATION_LIST = "resources/datasets/{dataset}/calibrations/{calibration}.json"
CALIBRATION_IMAGES = "resources/datasets/{dataset}/calibrations/{calibration}"

_CELL = "{tag}/{model}/{protocol}/{framework}/{precision}"
_TABLE = "{tag}/{model}/{protocol}"


def fill(pattern: str, cell: CellName | None = None, **words: Any) -> str:
    """A pattern with the words of a cell, and others, in place of its wildcards."""
    of_cell = {"tag": cell.dataset, **{k: v for k, v in vars(cell).items() if k != "dataset"}} if cell else {}
    return pattern.format(**{**of_cell, **words})


@dataclass(frozen=True)
class Paths:
    """The patterns below the results folder, and those of logs.

    results: the results folder. shard_images: images of a shard; shards of another size lie beside them.
    """

    results: str = "results"
    shard_images: int = 0

    @property
    def cell(self) -> str:
        """The folder of a cell."""
        return f"{self.results}/{_CELL}"

    def of_cell(self, file: str) -> str:
        """A file in the folder of a cell, such as detections.json."""
        return f"{self.cell}/{file}"

    @property
    def shard(self) -> str:
        """The folder of one shard of a cell's accuracy run."""
        return f"{self.cell}/shards/{self.shard_images}/{{shard}}"

    def of_shard(self, file: str) -> str:
        """A file in the folder of a shard."""
        return f"{self.shard}/{file}"

    @property
    def round(self) -> str:
        """One round of a table's timing at a setting, with all its cells."""
        return f"{self.results}/{_TABLE}/timing/{{setting}}/round{{round}}.json"

    @property
    def setting_timing(self) -> str:
        """What the rounds of a setting say of a cell; the default setting's is timing.json in the cell's folder."""
        return f"{self.cell}/timing/{{setting}}/timing.json"

    def of_tag(self, file: str) -> str:
        """A file in the folder of a dataset tag, such as images.json or summary.csv."""
        return f"{self.results}/{{tag}}/{file}"

    @property
    def image_list(self) -> str:
        """The images of a dataset tag."""
        return self.of_tag("images.json")

    @property
    def page(self) -> str:
        """The report of a dataset tag."""
        return self.of_tag("report/index.html")

    def of_published(self, file: str) -> str:
        """A file of the report on published rows."""
        return f"{self.results}/published/{file}"

    @property
    def all_cells_ok(self) -> str:
        """The file that is there after a run in which no cell failed."""
        return f"{self.results}/all_cells_ok"

    @property
    def logs(self) -> str:
        """The folder of logs; those of another results folder lie apart."""
        return "logs" if self.results == "results" else f"logs/{self.results}"

    def cell_log(self, step: str) -> str:
        """The log of a step of a cell."""
        return f"{self.logs}/{_CELL}/{step}.log"

    def table_log(self, step: str) -> str:
        """The log of a step of a table, whose cells share dataset, model and protocol."""
        return f"{self.logs}/{_TABLE}/{step}.log"

    def tag_log(self, step: str) -> str:
        """The log of a step of a dataset tag."""
        return f"{self.logs}/{{tag}}/{step}.log"

    def log(self, step: str) -> str:
        """The log of a step of the whole run."""
        return f"{self.logs}/{step}.log"

    @property
    def round_log(self) -> str:
        """The log of a round of a timing."""
        return self.table_log("time_inference-{setting}-round{round}")

    @property
    def shard_log(self) -> str:
        """The log of a shard."""
        return self.cell_log(f"detect_shard-{self.shard_images}-{{shard}}")


def model_log(step: str) -> str:
    """The log of a step of a model, of any results folder."""
    return f"logs/models/{{model}}/{step}.log"


def dataset_log(step: str) -> str:
    """The log of a step of a dataset, of any results folder."""
    return f"logs/datasets/{{dataset}}/{step}.log"


FETCH_LOG = model_log("fetch_model")
CONVERT_LOG = model_log("convert_model-{kind}-{framework}-{precision}")
QUANTISE_LOG = model_log("quantise_model-{kind}-{framework}-{precision}-{calibration}{quantisation}")
BATCH_LOG = model_log("batch_model-{kind}-{framework}-{precision}-b{batch}{calibrated}")
