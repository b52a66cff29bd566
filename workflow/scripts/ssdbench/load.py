"""From the raw configuration to the plan, with the project's own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ssdbench.availability import Availability, unavailable_reason
from ssdbench.config import load_config
from ssdbench.plan import Plan, make_plan
from ssdbench.published import expected_of_published, load_published
from ssdbench.registry import load_registry


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
    return make_plan(config, registry, sample_files(root), expected_of_published(published), unavailable)


def sample_files(root: Path) -> list[Path]:
    """The files that determine the embedded sample."""
    return [
        root / "workflow" / "resources" / "sample_photos.yaml",
        root / "workflow" / "scripts" / "ssdbench" / "sample.py",
    ]
