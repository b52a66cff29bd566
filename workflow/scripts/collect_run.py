"""Rule collect_run: everything known of one cell in one record, with what it was made from."""

from pathlib import Path
from typing import Any

from ssdbench.files.writing import write_json
from ssdbench.jobs import steps
from ssdbench.report.run_record import collect_run

snakemake: Any  # given by the rule


def work() -> None:
    files = {**snakemake.input, "card": Path(snakemake.input.artifact, "card.json")}
    write_json(Path(snakemake.output.run), collect_run(files, snakemake.params.given))


steps.run(snakemake.log[0], work)
