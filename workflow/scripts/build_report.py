"""Rules build_report and build_published_report: the summary of all cells, and the page."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.documents import read_yaml
from ssdbench.files import read_json, write_text
from ssdbench.report.page import render_page
from ssdbench.report.pictures import build_pictures
from ssdbench.report.published import load_published
from ssdbench.report.summary import build_summary, write_summary
from ssdbench.report.words import CELL_WORDS

snakemake: Any  # given by the rule

CHECKSUMS = Path("resources/checksums.yaml")
PICTURES = 12


def work() -> None:
    given = dict(snakemake.params.context)
    nothing = {"log": "", "card": {}, "detect": {}, "metrics": {}, "timing": {}, "provenance": {}}
    without_result = [{**nothing, **cell} for cell in given.pop("without_result")]
    images = [read_json(Path(path)) for path in as_list(snakemake.input.images)]
    runs = [read_json(Path(path)) for path in as_list(snakemake.input.runs)]
    first_use = read_yaml(CHECKSUMS) if CHECKSUMS.exists() else {}
    summary = build_summary(
        runs + without_result,
        {
            **given,
            "images": images,
            "protocols": read_yaml(Path(snakemake.input.protocols)),
            "published": load_published(Path(snakemake.input.published)),
            "first_use": [{"name": name, "sha256": row["sha256"]} for name, row in first_use.items()],
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        },
    )
    page = render_page(summary, pictures(summary, images))  # before the first file is written
    if snakemake.output.get("json"):
        output = snakemake.output
        write_summary(summary, Path(output.csv), Path(output.json), Path(output.markdown))
    write_text(Path(snakemake.output.page), page)


def pictures(summary: steps.Record, images: list[steps.Record]) -> list[steps.Record]:
    """Pictures of each dataset tag, with the boxes of its cells."""
    files = dict(zip(as_list(snakemake.input.runs), as_list(snakemake.input.detections), strict=True))
    found = {}
    for run, file in files.items():
        record = read_json(Path(run))
        if record["detect"]["status"] == "ok":
            found[tuple(record["cell"].values())] = Path(file)
    rows = {row["id"]: tuple(row[word] for word in CELL_WORDS) for row in summary["rows"]}
    by_id = {row_id: (name[0], found[name]) for row_id, name in rows.items() if name in found}
    drawn = []
    for listed in images:
        own = {cell: path for cell, (tag, path) in by_id.items() if tag == listed["tag"]}
        drawn += build_pictures(listed, own, PICTURES // len(images))
    return drawn


def as_list(value: str | Iterable[str]) -> list[str]:
    """Snakemake gives a single file as itself, and none as an empty list."""
    return [value] if isinstance(value, str) else list(value)


steps.run(snakemake.log[0], work)
