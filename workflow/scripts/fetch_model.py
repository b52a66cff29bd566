"""Rule fetch_model: a model's source files, verified and unpacked."""

from pathlib import Path

from snakemake.script import snakemake
from ssdbench import steps
from ssdbench.checksums import Checksums
from ssdbench.files import write_json
from ssdbench.sources import fetch_source


def work() -> None:
    output = Path(snakemake.output.source)
    checksums = Checksums(Path("resources/checksums.yaml"))
    source = fetch_source(
        snakemake.params.row, output.parent, Path("resources/downloads"), checksums, snakemake.params.mirror or None
    )
    write_json(output, source)


steps.run(snakemake.log[0], work)
