"""Rules combine_rounds-...: what the rounds of a table's timing at one setting say of each of its cells."""

from pathlib import Path
from typing import Any

from ssdbench.files.reading import read_record
from ssdbench.files.writing import write_json
from ssdbench.jobs import steps
from ssdbench.timing.combine_rounds import combine_rounds

snakemake: Any  # given by the rule


def work() -> None:
    params = snakemake.params
    timings = combine_rounds(
        [read_record(Path(path)) for path in snakemake.input.rounds],
        params.cells,
        params.reference if params.is_compared else None,
        params.interval_width,
    )
    for name, file in zip(params.cells, snakemake.output, strict=True):
        write_json(Path(file), timings[name])


steps.run(snakemake.log[0], work)
