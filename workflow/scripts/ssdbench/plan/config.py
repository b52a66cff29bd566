"""The configuration of a run, checked once and turned into one record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.dataset_tag import Tag, parse_tag, read_ids
from ssdbench.catalog.timing_setting import Setting
from ssdbench.errors import UserError
from ssdbench.files.reading import read_yaml
from ssdbench.files.schema import validate, with_defaults, with_numbers


@dataclass(frozen=True)
class LocalPaths:
    """Where the dataset `local` lies; None where nothing was given.

    orientation: which pixels its annotations mean, `stored` or `displayed`; "" where that is to be found out.
    """

    images: Path | None
    annotations: Path | None
    calibration: Path | None
    orientation: str = ""


@dataclass(frozen=True)
class Timing:
    """How cells are timed, see config.yaml.

    rounds: in fresh processes, at most. seconds: most seconds of turns of one cell in one round. interval_width:
    relative width of an interval of speed that is enough, (high - low) / speed.
    """

    batches: tuple[int, ...]
    threads: tuple[int, ...]
    streams: tuple[int, ...]
    rounds: int
    seconds: float
    interval_width: float

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every combination of batches, threads and streams."""
        return tuple(Setting(*numbers) for numbers in product(self.batches, self.threads, self.streams))

    @property
    def default(self) -> Setting:
        """The setting that stands for a cell in its timing.json and in the summary: the first of each list."""
        return self.settings[0]


@dataclass(frozen=True)
class VerdictRule:
    """When a cell counts as kept: the share of the reference's AP, and the bootstrap's replicates and seed."""

    share: float
    replicates: int
    seed: int


@dataclass(frozen=True)
class Config:
    """A checked configuration. Lists are in the order given; `tags` covers `published` rows too.

    weight_bits: of int8 ONNX files; `auto` is what the processor needs.
    """

    datasets: tuple[str, ...]
    models: tuple[str, ...]
    protocols: tuple[str, ...]
    frameworks: tuple[str, ...]
    precisions: tuple[str, ...]
    reference: tuple[str, str]
    calibration_images: int
    calibration_seed: int
    weight_bits: Literal["auto", 7, 8]
    nms: Mapping[str, float]
    timing: Timing
    verdict: VerdictRule
    published: tuple[CellName, ...]
    local: LocalPaths
    id_files: Mapping[str, tuple[int, ...]]
    registries: tuple[Path, ...]
    mirror: str
    results_dir: str
    shard_images: int
    absent: str
    tags: Mapping[str, Tag]


def load_config(raw: Mapping[str, Any], schema: Path, environment: Mapping[str, str]) -> Config:
    """Check a configuration and fill in its defaults and the environment's paths.

    Args:
        raw: the merged configuration.
        schema: config.schema.yaml.
        environment: the environment variables (COCO_IMG_PATH, COCO_ANNO_PATH, COCO_CALIB_PATH are read).

    Raises:
        UserError: a key or a value is wrong.
    """
    _check_moved_keys(raw)
    rules = read_yaml(schema)
    given = with_numbers(raw, rules)
    validate(given, schema, "Configuration")
    full = with_defaults(given, rules)
    published = tuple(CellName(**row) for row in full["published"])
    datasets = (full["dataset"],) if full["dataset"] else tuple(full["datasets"])
    matrix_is_empty = not all((datasets, full["models"], full["protocols"], full["frameworks"], full["precisions"]))
    if matrix_is_empty and not published:
        raise UserError(
            "Configuration: nothing to measure. Give at least one each of datasets, models, protocols, "
            "frameworks and precisions, or rows under `published`."
        )
    if matrix_is_empty:
        datasets = ()
    results_dir = Path(full["results_dir"])
    taken = {"", "resources", "logs", "workflow", "profiles", "presets", "envs", "tests", "docs"}
    first = results_dir.parts[0] if results_dir.parts else ""
    if results_dir.is_absolute() or ".." in results_dir.parts or first in taken or first.startswith("."):
        raise UserError(
            f"Configuration: results_dir is {full['results_dir']!r}; give a folder of its own below the "
            "working folder, such as results."
        )
    return Config(
        datasets=datasets,
        models=tuple(full["models"]),
        protocols=tuple(full["protocols"]),
        frameworks=tuple(full["frameworks"]),
        precisions=tuple(full["precisions"]),
        reference=(full["reference"]["framework"], full["reference"]["precision"]),
        calibration_images=full["calibration"]["images"],
        calibration_seed=full["calibration"]["seed"],
        weight_bits=full["calibration"]["weight_bits"],
        nms=full["nms"],
        timing=_timing(full["timing"]),
        verdict=VerdictRule(**full["verdict"]),
        published=published,
        local=_local_paths(full["local"], environment),
        id_files=_id_files(full["id_files"]),
        registries=tuple(Path(file) for file in full["registries"]),
        mirror=full["mirror"].rstrip("/"),
        results_dir=results_dir.as_posix(),
        shard_images=full["shard_images"],
        absent=full["absent"],
        tags={text: parse_tag(text) for text in (*datasets, *(cell.dataset for cell in published))},
    )


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`overlay` merged into `base` as Snakemake's --configfile does: mappings merge, everything else replaces."""
    merged = dict(base)
    for key, value in overlay.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _check_moved_keys(raw: Mapping[str, Any]) -> None:
    """Say what took the place of a key of earlier versions."""
    timing = raw.get("timing")
    if isinstance(timing, Mapping) and "patience" in timing:
        raise UserError(
            "Configuration: timing.patience is gone. Cells now take turns, so a timing no longer waits for a quiet "
            "machine. Remove it; timing.interval_width says how narrow the intervals of the speeds shall be, and "
            "timing.seconds and timing.rounds how long to try."
        )


def _timing(given: Mapping[str, Any]) -> Timing:
    lists = ("batches", "threads", "streams")
    numbers = {key: given[key] if isinstance(given[key], list) else [given[key]] for key in lists}
    return Timing(
        **{key: tuple(map(int, of)) for key, of in numbers.items()},
        rounds=given["rounds"],
        seconds=given["seconds"],
        interval_width=float(given["interval_width"]),
    )


def _local_paths(paths: Mapping[str, str], environment: Mapping[str, str]) -> LocalPaths:
    def resolved(key: str, variable: str) -> Path | None:
        text = paths[key] or environment.get(variable, "")
        try:
            return Path(text).expanduser().resolve() if text else None
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, no such user, a null byte
            raise UserError(f"Configuration: local.{key} is {text!r}, which is no path: {error}.") from error

    return LocalPaths(
        images=resolved("images", "COCO_IMG_PATH"),
        annotations=resolved("annotations", "COCO_ANNO_PATH"),
        calibration=resolved("calibration", "COCO_CALIB_PATH"),
        orientation=paths["orientation"],
    )


def _id_files(files: list[str]) -> dict[str, tuple[int, ...]]:
    contents = {}
    for file in files:
        try:
            data = Path(file).read_bytes()
            text = data.decode("utf-8-sig")
        except (OSError, ValueError) as error:
            raise UserError(f"Configuration: the id file {file} cannot be read: {error}.") from error
        contents[hashlib.sha256(data).hexdigest()[:8]] = tuple(read_ids(text, file))
    return contents
