"""Rule compose_sample: write the scenes of the embedded sample and their annotations."""

from pathlib import Path
from typing import Any

from ssdbench.images.sample import compose
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

steps.run(snakemake.log[0], lambda: compose(Path(snakemake.output.annotations).parent))
