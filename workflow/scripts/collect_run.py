"""Rule collect_run: everything known of one cell in one record, with what it was made from."""

from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.files import write_json
from ssdbench.run_record import collect_run

snakemake: Any  # given by the rule


def work() -> None:
    write_json(Path(snakemake.output.run), collect_run(dict(snakemake.input.items()), snakemake.params.given))


steps.run(snakemake.log[0], work)
