"""The matrix: which cells a configuration asks for, each supported or with the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.frameworks import CALIBRATED
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.registry import Registry
from ssdbench.catalog.support import batch_reason, unsupported_reason
from ssdbench.plan.availability import Availability
from ssdbench.plan.config import Config


@dataclass(frozen=True)
class Cell:
    """One row of the report. `unsupported` is the reason known before anything runs, or None.

    unsupported_batches: the batches that the cell cannot be timed with, and why.
    """

    name: CellName
    graph_kind: str
    unsupported: str | None
    is_published: bool = False
    unsupported_batches: Mapping[int, str] = field(default_factory=dict)


def build_matrix(config: Config, registry: Registry, unavailable: Availability) -> list[Cell]:
    """All cells of a configuration in the order asked for, each once; `published` rows come last.

    unavailable: why this machine cannot run a framework at a precision.

    Raises:
        UserError: a dataset or a model is not in the registry.
    """
    for tag in config.tags.values():
        registry.dataset(tag.name)
    asked = [
        CellName(*words)
        for words in product(config.datasets, config.models, config.protocols, config.frameworks, config.precisions)
    ]
    names = dict.fromkeys([*asked, *config.published])
    published = set(config.published)
    return [_cell(name, config, registry, unavailable, name in published) for name in names]


def _cell(name: CellName, config: Config, registry: Registry, unavailable: Availability, is_published: bool) -> Cell:
    kind = protocol(name.protocol).graph_kind
    reason = _reason(name, config, registry, unavailable)
    if reason:
        return Cell(name, kind, reason, is_published)
    row = registry.model(name.model)
    reasons = {batch: batch_reason(row, kind, name.framework, batch) for batch in config.timing.batches}
    refused = {batch: found for batch, found in reasons.items() if found}
    if first := refused.get(config.timing.default.batch):
        reason = f"it cannot be timed at the default setting, {config.timing.default.name}: {first}"
    return Cell(name, kind, reason, is_published, refused)


def _reason(name: CellName, config: Config, registry: Registry, unavailable: Availability) -> str | None:
    row = registry.model(name.model)
    how = protocol(name.protocol)
    if how.frameworks and name.framework not in how.frameworks:
        return f"the protocol {how.name} is defined for {' and '.join(how.frameworks)} only"
    if reason := unsupported_reason(row, how.graph_kind, name.framework, name.precision):
        return reason
    if reason := unavailable(name.framework, name.precision):
        return reason
    is_local = registry.dataset(config.tags[name.dataset].name).kind == "local"
    is_calibrated = name.precision in CALIBRATED and row.given is None
    if is_calibrated and is_local and config.local.calibration is None:
        return (
            f"{name.precision} needs calibration images: set local.calibration or COCO_CALIB_PATH to a folder of other "
            "images"
        )
    return None
