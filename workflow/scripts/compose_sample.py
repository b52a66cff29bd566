"""Rule compose_sample: write the scenes of the embedded sample and their annotations."""

from pathlib import Path

from snakemake.script import snakemake
from ssdbench import steps
from ssdbench.sample import compose

steps.run(snakemake.log[0], lambda: compose(Path(snakemake.output.annotations).parent))
