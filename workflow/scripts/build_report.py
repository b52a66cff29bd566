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

snakemake: Any  # given by the rule

CHECKSUMS = Path("resources/checksums.yaml")
PICTURES = 12


def work() -> None:
    given = dict(snakemake.params.context)
    unsupported = [
        {
            **cell,
            "status": "unsupported",
            "log": "",
            "card": {},
            "detect": {},
            "metrics": {},
            "timing": {},
            "provenance": {},
        }
        for cell in given.pop("unsupported")
    ]
    images = [read_json(Path(path)) for path in as_list(snakemake.input.images)]
    runs = [read_json(Path(path)) for path in as_list(snakemake.input.runs)]
    first_use = read_yaml(CHECKSUMS) if CHECKSUMS.exists() else {}
    summary = build_summary(
        runs + unsupported,
        {
            **given,
            "images": images,
            "published": load_published(Path(snakemake.input.published)),
            "first_use": [{"name": name, "sha256": row["sha256"]} for name, row in first_use.items()],
            "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        },
    )
    if snakemake.output.get("json"):
        output = snakemake.output
        write_summary(summary, Path(output.csv), Path(output.json), Path(output.markdown))
    write_text(Path(snakemake.output.page), render_page(summary, pictures(summary, images)))


def pictures(summary: steps.Record, images: list[steps.Record]) -> list[steps.Record]:
    """Pictures of each dataset tag, with the boxes of its cells."""
    files = dict(zip(as_list(snakemake.input.runs), as_list(snakemake.input.detections), strict=True))
    cells = {tuple(read_json(Path(run))["cell"].values()): Path(file) for run, file in files.items()}
    by_id = {
        row["id"]: (row["dataset"], cells[name])
        for row in summary["rows"]
        if row["status"] == "ok"
        and (name := tuple(row[word] for word in ("dataset", "model", "protocol", "framework", "precision"))) in cells
    }
    drawn = []
    for listed in images:
        own = {cell: path for cell, (tag, path) in by_id.items() if tag == listed["tag"]}
        drawn += build_pictures(listed, own, PICTURES // len(images))
    return drawn


def as_list(value: str | Iterable[str]) -> list[str]:
    """Snakemake gives a single file as itself, and none as an empty list."""
    return [value] if isinstance(value, str) else list(value)


steps.run(snakemake.log[0], work)
