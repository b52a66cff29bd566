"""Rule check_cells: list the cells that failed, and fail with them."""

from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.errors import UserError
from ssdbench.files import read_json

snakemake: Any  # given by the rule


def work() -> None:
    failed = [
        f"  {row['dataset']} {row['model']} {row['protocol']} {row['framework']} {row['precision']}: {row['reason']} "
        f"(log: {row['log']})"
        for summary in map(read_json, map(Path, snakemake.input.summaries))
        for row in summary["rows"]
        if row["status"] == "failed"
    ]
    if failed:
        pages = "\n".join(f"  {page}" for page in snakemake.input.pages)
        raise UserError(
            f"{len(failed)} of the cells failed:\n"
            + "\n".join(failed)
            + "\nThe others are in the report:\n"
            + pages
            + "\n`make retry` runs the failed ones again."
        )


steps.run(snakemake.log[0], work)
