"""Rules combine_rounds and combine_setting: the rounds of one cell's timing at one setting, put together."""

from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.files import read_json
from ssdbench.rounds import combine_rounds

snakemake: Any  # given by the rule


def work() -> steps.Record:
    return combine_rounds([read_json(Path(path)) for path in snakemake.input.rounds])


steps.record(snakemake.log[0], snakemake.output.timing, work)
