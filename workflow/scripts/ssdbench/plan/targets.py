"""Lists of the files that a run makes: what the target rules ask for, what `make retry` looks through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssdbench.catalog.cell_name import CellName
from ssdbench.plan import paths
from ssdbench.plan.paths import fill
from ssdbench.plan.plan import Plan
from ssdbench.plan.timing_tables import rounds, settings_of, sweep, tables


def artifacts(plan: Plan) -> list[str]:
    """The folders of all artifacts that the cells need."""
    batches = {name: [1, *(setting.batch for setting in plan.settings(name))] for name in plan.supported}
    return list(dict.fromkeys(plan.artifact(name, batch) for name, own in batches.items() for batch in own))


def detections(plan: Plan) -> list[str]:
    """The detections of all cells."""
    return [plan.file(name, "detections.json") for name in plan.supported]


def cell_files(plan: Plan, name: CellName) -> dict[str, str]:
    """The files of a cell's steps, by what they hold: those that run.json is made from, and a few more."""
    reference = plan.judged_against(name)
    where = {
        "source": f"{source(name.model)}/source.json",
        "images": plan.image_list(name.dataset),
        "card": plan.card(name),
        **{step: plan.file(name, f"{step}.json") for step in ("detections", "detect", "timing", "diagnosis")},
        "metrics": plan.has_truth(name) and plan.file(name, "metrics.json"),
        "parts": plan.held_out_of(name) and plan.file(name, "parts.json"),
        "parity": plan.reference_of(name) and plan.file(name, "parity.json"),
        "replicates": plan.is_drawn(name) and plan.file(name, "replicates.json"),
        "reference": reference and plan.file(reference, "replicates.json"),
    }
    return {name: file for name, file in where.items() if file}


def records(plan: Plan) -> list[str]:
    """Every file that carries a status."""
    steps = ("detect", "timing", "diagnosis", "metrics", "replicates", "parts", "parity")
    of_cells = [{**cell_files(plan, cell), "run": plan.file(cell, "run.json")} for cell in plan.supported]
    return [
        *(f"{folder}/card.json" for folder in artifacts(plan)),
        *(files[step] for files in of_cells for step in (*steps, "run") if step in files),
        *(
            path
            for table in tables(plan)
            for setting in settings_of(plan, table)
            for path in rounds(plan, table, setting)
        ),
        *(path for cell in plan.supported for path in sweep(plan, cell)),
    ]


def shard_records(plan: Plan) -> list[str]:
    """The records of shards that are there."""
    sharded = [cell for cell in plan.supported if plan.is_sharded(cell.dataset)]
    folders = [Path(fill(plan.paths.shard, cell, shard="1")).parent for cell in sharded]
    return [str(record) for folder in folders for record in sorted(folder.glob("*/detect.json"))]


def products(plan: Plan) -> list[str]:
    """Every file that a run is asked for by name, so that one that was deleted is made again.

    Snakemake by itself does not miss a file that nothing out of date depends on.
    """
    made_with_others = [record for record in records(plan) if not record.endswith("/card.json")]
    summaries = ("summary.csv", "summary.json", "summary.md", "sweep.csv")
    return [
        *map(plan.image_list, plan.tags),
        *artifacts(plan),
        *made_with_others,
        *detections(plan),
        *(fill(plan.paths.of_tag(file), tag=tag) for tag in plan.tags for file in summaries),
    ]


def summaries(plan: Plan) -> list[str]:
    """The summary of each tag."""
    return [fill(plan.paths.of_tag("summary.json"), tag=tag) for tag in plan.tags]


def pages(plan: Plan) -> list[str]:
    """The report of each tag, and the published report where there are published rows."""
    of_published = [plan.paths.of_published("index.html")] if plan.config.published else []
    return [*(fill(plan.paths.page, tag=tag) for tag in plan.tags), *of_published]


def fetched_files(plan: Plan) -> list[str]:
    """Everything that needs a network: sources of models, annotations and images, calibration images."""
    models = list(dict.fromkeys(name.model for name in plan.supported))
    calibrations = dict.fromkeys(filter(None, map(plan.calibration_of, plan.supported)))
    return [
        *map(source, models),
        *map(plan.image_list, plan.tags),
        *map(plan.calibration_list, calibrations),
    ]


def source(model: str) -> str:
    """The folder of a model's source."""
    return fill(paths.SOURCE, model=model)


def report_runs(plan: Plan, cells: Sequence[CellName]) -> list[CellName]:
    """The cells whose run.json a report takes: with `absent: failed` none, it puts together what is there."""
    return list(cells) if plan.config.absent == "error" else []


def report_sweep(plan: Plan, cells: Sequence[CellName]) -> list[str]:
    """The cells' `sweep`, or with `absent: failed` nothing: a report then looks for itself what there is."""
    return [path for name in report_runs(plan, cells) for path in sweep(plan, name)]
