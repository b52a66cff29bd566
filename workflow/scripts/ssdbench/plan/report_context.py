"""What reports are told besides the results: plain data from the configuration and the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.protocols import protocol
from ssdbench.plan.matrix import Cell
from ssdbench.plan.plan import Plan
from ssdbench.plan.timing_tables import Table, is_compared


def configuration_of(plan: Plan, name: CellName) -> dict[str, Any]:
    """The parts of the configuration that bear on a cell, as plain data for its provenance."""
    uses_nms = protocol(name.protocol).graph_kind == "heads"
    return {
        "registries": [str(file) for file in plan.config.registries],
        "calibration": plan.calibration_of(name) + plan.quantisation_of(name),
        "nms": dict(plan.config.nms) if uses_nms else None,
        "timing": vars(plan.config.timing),
        "verdict": vars(plan.config.verdict),
        "seeds": {"calibration": plan.config.calibration_seed, "bootstrap": plan.config.verdict.seed},
    }


def run_context(plan: Plan, cell: CellName) -> dict[str, Any]:
    """What the record of a cell, run.json, takes from the configuration."""
    return {
        "cell": dict(vars(cell)),
        "config": configuration_of(plan, cell),
        "expected": plan.expected_fields(cell),
        "reference": plan.config.reference,
        "share": plan.config.verdict.share,
        "is_compared": is_compared(plan, Table(cell.dataset, cell.model, cell.protocol)),
    }


def report_context(plan: Plan, tag: str) -> dict[str, Any]:
    """What the report of a tag needs besides its runs, as plain data."""
    return _context(plan, "dataset", tag, [cell for cell in plan.cells if cell.name.dataset == tag])


def published_context(plan: Plan) -> dict[str, Any]:
    """The same for the report of the published rows."""
    return _context(plan, "published", "published", [cell for cell in plan.cells if cell.is_published])


def _context(plan: Plan, kind: str, tag: str, cells: Sequence[Cell]) -> dict[str, Any]:
    models = {cell.name.model: plan.registry.model(cell.name.model) for cell in cells}
    datasets = {row.name: row for row in (plan.dataset(cell.name.dataset) for cell in cells)}
    framework, precision = plan.config.reference
    return {
        "kind": kind,
        "tag": tag,
        "reference": {"framework": framework, "precision": precision},
        "share": plan.config.verdict.share,
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
                "images": plan.config.calibration_images,
                "seed": plan.config.calibration_seed,
            },
            "nms": dict(plan.config.nms),
            "timing": dict(vars(plan.config.timing)),
            "registries": [str(file) for file in plan.config.registries],
            "mirror": plan.config.mirror,
        },
        "unsupported": _unsupported(cells),
        "settings": [setting.name for setting in plan.config.timing.settings],
        "unsupported_settings": {
            "/".join(vars(cell.name).values()): {
                setting.name: cell.unsupported_batches[setting.batch]
                for setting in plan.config.timing.settings
                if setting.batch in cell.unsupported_batches
            }
            for cell in cells
            if cell.unsupported_batches
        },
    }


def _unsupported(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The cells that a report states without a run."""
    return [
        {"cell": dict(vars(cell.name)), "status": "unsupported", "reason": cell.unsupported}
        for cell in cells
        if cell.unsupported is not None
    ]
