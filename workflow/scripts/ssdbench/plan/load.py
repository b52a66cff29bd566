"""From the raw configuration to the plan, with the project's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.dataset_tag import Tag
from ssdbench.catalog.published import expected_of_published, load_published
from ssdbench.catalog.registry import DatasetRow, Expected, Registry
from ssdbench.catalog.registry_file import load_registry
from ssdbench.errors import UserError
from ssdbench.files.hashing import fingerprint, sha256_file
from ssdbench.images.sample_version import SAMPLE_VERSION
from ssdbench.plan.availability import Availability, unavailable_reason
from ssdbench.plan.config import Config, load_config
from ssdbench.plan.matrix import build_matrix
from ssdbench.plan.plan import Plan


def load_plan(
    raw: Mapping[str, Any],
    root: Path,
    environment: Mapping[str, str],
    unavailable: Availability = unavailable_reason,
) -> Plan:
    """The plan of a raw configuration.

    Args:
        raw: the merged configuration.
        root: the project's folder.
        environment: the environment variables.
        unavailable: why this machine cannot run a framework at a precision.

    Raises:
        UserError: the configuration, a registry file or a path in them is wrong.
    """
    schemas = root / "workflow" / "schemas"
    config = load_config(raw, schemas / "config.schema.yaml", environment)
    registry = load_registry(
        [root / "workflow" / "resources" / "registry.yaml", *config.registries],
        schemas / "registry.schema.yaml",
    )
    published = load_published(root / "workflow" / "resources" / "published.yaml")
    return make_plan(config, registry, expected_of_published(published), unavailable)


def make_plan(
    config: Config,
    registry: Registry,
    published_expected: Mapping[CellName, Expected],
    unavailable: Availability,
) -> Plan:
    """Build the matrix and check that the dataset `local` has its paths.

    Args:
        config: the configuration.
        registry: the rows.
        published_expected: what published rows let cells expect.
        unavailable: why this machine cannot run a framework at a precision.

    Raises:
        UserError: a row is not in the registry, or a dataset's files are missing.
    """
    cells = tuple(build_matrix(config, registry, unavailable))
    rows = {tag.name: registry.dataset(tag.name) for tag in config.tags.values()}
    if any(row.kind == "local" for row in rows.values()):
        _check_local(config)
    for tag in config.tags.values():
        _check_count(tag, rows[tag.name], config)
    candidates = {name: _candidates(row, config) for name, row in rows.items()}
    return Plan(config, registry, cells, candidates, published_expected)


def _candidates(row: DatasetRow, config: Config) -> str:
    if row.kind == "local":
        return fingerprint([config.local.calibration] if config.local.calibration else [])
    if row.calibration is None:
        return SAMPLE_VERSION
    if not row.calibration.names.is_file():
        raise UserError(
            f"The dataset {row.name} draws its calibration images from the list {row.calibration.names}, "
            "which is not a file; correct calibration.names in its registry row."
        )
    return sha256_file(row.calibration.names)


def _check_count(tag: Tag, row: DatasetRow, config: Config) -> None:
    """What is known of a dataset's size beforehand is not left to a job to find out."""
    if row.images is not None and tag.count > row.images.count:
        raise UserError(
            f"The dataset tag {tag.text} asks for {tag.count} images, but {tag.name} has {row.images.count}; "
            f"ask for at most {row.images.count}."
        )
    if tag.rule == "ids" and tag.ids not in config.id_files:
        raise UserError(
            f"The dataset tag {tag.text} names an id file by its sha256, but no file under `id_files` has "
            f"a sha256 that starts with {tag.ids}."
        )


def _check_local(config: Config) -> None:
    images, annotations, calibration = config.local.images, config.local.annotations, config.local.calibration
    if images is None:
        raise UserError(
            "The dataset local needs a folder of images: set local.images in the configuration or COCO_IMG_PATH in the "
            "environment."
        )
    if not images.is_dir():
        raise UserError(f"local.images (or COCO_IMG_PATH) is {images}, which is no folder of images.")
    if annotations is not None and not annotations.is_file():
        raise UserError(f"local.annotations (or COCO_ANNO_PATH) is {annotations}, which is no COCO instances JSON.")
    if calibration is not None and not calibration.is_dir():
        raise UserError(f"local.calibration (or COCO_CALIB_PATH) is {calibration}, which is no folder.")
