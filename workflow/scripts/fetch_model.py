"""Rule fetch_model: a model's source files, verified and unpacked."""

from pathlib import Path
from typing import Any

from ssdbench.catalog.plain import from_plain
from ssdbench.catalog.registry import Source
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.model_source import fetch_source, hashes_of
from ssdbench.files.writing import write_json
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

# From the configuration and not a param: another way to the same bytes is no reason to fetch them again.
mirror = snakemake.config.get("mirror") or None


def work() -> None:
    folder = Path(snakemake.output.source)
    checksums = Checksums(Path("resources/checksums.yaml"))
    source = fetch_source(
        snakemake.wildcards.model,
        snakemake.params.format,
        from_plain(Source, snakemake.params.source),
        folder,
        Path("resources/downloads"),
        checksums,
        mirror,
    )
    write_json(folder / "source.json", {**source, "files": hashes_of(folder)})


steps.run(snakemake.log[0], work)
