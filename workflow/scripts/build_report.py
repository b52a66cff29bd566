"""Rules build_report and build_published_report: the summary of all cells, and the page."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from ssdbench.catalog.published import load_published
from ssdbench.evaluation.bootstrap import Draws, from_record
from ssdbench.files.reading import read_json, read_yaml
from ssdbench.files.writing import write_text
from ssdbench.jobs import steps
from ssdbench.report.exports.write_exports import write_exports
from ssdbench.report.page.page import render_page
from ssdbench.report.page.pictures import build_pictures
from ssdbench.report.run_record import collect_what_is_there
from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.summary.write_summary import write_summary
from ssdbench.report.words import CELL_WORDS

snakemake: Any  # given by the rule

CHECKSUMS = Path("resources/checksums.yaml")
PICTURES = 12


def work() -> None:
    given = dict(snakemake.params.context)
    nothing = {"log": "", "card": {}, "detect": {}, "metrics": {}, "timing": {}, "provenance": {}}
    unsupported = [{**nothing, **cell} for cell in given.pop("unsupported")]
    images = [read_json(Path(path)) for path in as_list(snakemake.input.images) or lists_that_are_there()]
    runs = measured_runs()
    first_use = read_yaml(CHECKSUMS) if CHECKSUMS.exists() else {}
    summary = build_summary(
        [*runs.values(), *unsupported],
        {
            **given,
            "code": snakemake.params.hashes,
            "draws": draws(),
            "sweep": sweep(),
            "images": images,
            "protocols": read_yaml(Path(snakemake.input.protocols)),
            "published": load_published(Path(snakemake.input.published)),
            "first_use": [{"name": name, "sha256": row["sha256"]} for name, row in first_use.items()],
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        },
    )
    page = render_page(summary, pictures(summary, images, runs))  # before the first file is written
    if snakemake.output.get("json"):
        output = snakemake.output
        write_summary(summary, *map(Path, (output.csv, output.json, output.markdown, output.sweep)))
    write_exports(summary, Path(snakemake.output.page).parent)
    write_text(Path(snakemake.output.page), page)


def measured_runs() -> dict[str, steps.Record]:
    """The record of each cell by its file of detections; with `absent: failed`, put together from what is there."""
    files = zip(as_list(snakemake.input.detections), as_list(snakemake.input.runs), strict=True)
    return {
        **{detections: read_json(Path(run)) for detections, run in files},
        **{cell["files"]["detections"]: collect_what_is_there(**cell) for cell in snakemake.params.there["cells"]},
    }


def lists_that_are_there() -> list[str]:
    """With `absent: failed`, the image lists of the report's datasets as far as they are there."""
    files = dict.fromkeys(cell["files"]["images"] for cell in snakemake.params.there["cells"])
    return [file for file in files if Path(file).is_file()]


def sweep() -> dict[str, dict[str, steps.Record]]:
    """What the rounds of the settings besides the default one say, by cell id and setting."""
    folders = [Path(cell["files"]["detections"]).parent for cell in snakemake.params.there["cells"]]
    there = [folder.glob("timing/*/timing.json") for folder in folders]
    found: dict[str, dict[str, steps.Record]] = {}
    for file in [*map(Path, as_list(snakemake.input.sweep)), *chain.from_iterable(there)]:
        found.setdefault(cell_id(file.parents[2]), {})[file.parent.name] = read_json(file)
    return found


def draws() -> dict[str, Draws]:
    """The bootstrap draws of the cells that published rows are explained with, by cell id."""
    there = [cell["files"].get("replicates", "") for cell in snakemake.params.there["cells"]]
    files = [*as_list(snakemake.input.get("replicates", [])), *there]
    records = {Path(file): read_json(Path(file)) for file in files if Path(file).is_file()}
    return {cell_id(file.parent): from_record(record) for file, record in records.items() if record["status"] == "ok"}


def cell_id(folder: Path) -> str:
    """The id of the cell that has this folder."""
    return "/".join(folder.parts[-len(CELL_WORDS) :])


def pictures(summary: steps.Record, images: list[steps.Record], runs: Mapping[str, steps.Record]) -> list[steps.Record]:
    """Pictures of each dataset tag, with the boxes of its cells; `runs` by file of detections."""
    found = {
        "/".join(record["cell"][word] for word in CELL_WORDS): Path(file)
        for file, record in runs.items()
        if record["detect"]["status"] == "ok" and Path(file).is_file()
    }
    drawn = []
    for listed in images:
        own = [row["id"] for row in summary["rows"] if row["dataset"] == listed["tag"] and row["id"] in found]
        ladders = {cell: summary["details"][cell]["parity"] or {} for cell in own}
        worst = {cell: ladder["worst"] for cell, ladder in ladders.items() if "worst" in ladder}
        drawn += build_pictures(listed, {cell: found[cell] for cell in own}, PICTURES // len(images), worst)
    return drawn


def as_list(value: str | Iterable[str]) -> list[str]:
    """Snakemake gives a single file as itself, and none as an empty list."""
    return [value] if isinstance(value, str) else list(value)


steps.run(snakemake.log[0], work)
