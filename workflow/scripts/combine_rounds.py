"""Rules combine_rounds and combine_setting: the rounds of one cell's timing at one setting, put together."""

from pathlib import Path
from typing import Any

from ssdbench.files.reading import read_record
from ssdbench.jobs import steps
from ssdbench.timing.combine_rounds import combine_rounds

snakemake: Any  # given by the rule


def work() -> steps.Record:
    return combine_rounds([read_record(Path(path)) for path in snakemake.input.rounds])


steps.record(snakemake.log[0], snakemake.output.timing, work)
