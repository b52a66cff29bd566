"""Rule check_cells: list the cells that failed, and fail with them."""

from pathlib import Path
from typing import Any

from ssdbench.errors import UserError
from ssdbench.files.reading import read_json
from ssdbench.jobs import steps

snakemake: Any  # given by the rule


def work() -> None:
    summaries = [read_json(Path(path)) for path in snakemake.input.summaries]
    rows = [row for summary in summaries for row in summary["rows"] if row["status"] == "failed"]
    cells = [f"  {words(row)}: {row['reason']} (log: {row['log']})" for row in rows]
    known = {row["id"] for row in rows}
    settings = [
        f"  {words(row)} at the setting {row['setting']}: {row['reason']} (log: {row['log']})"
        for summary in summaries
        for row in summary["sweep"]
        if row["status"] == "failed" and row["id"] not in known
    ]
    if cells or settings:
        heads = [f"{len(cells)} of the cells failed:"] if cells else []
        more = [f"{len(settings)} of the timings of a sweep failed:"] if settings else []
        lines = [*heads, *cells, *more, *settings, "The others are in the report:"]
        lines += [f"  {page}" for page in snakemake.input.pages]
        raise UserError("\n".join([*lines, "`make retry` runs the failed ones again."]))


def words(row: steps.Record) -> str:
    return " ".join(row[word] for word in ("dataset", "model", "protocol", "framework", "precision"))


steps.run(snakemake.log[0], work)
