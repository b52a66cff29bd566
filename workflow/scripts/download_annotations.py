"""Rule download_annotations: a COCO dataset's instances file, out of its archive."""

from pathlib import Path
from typing import Any

from ssdbench.catalog.plain import from_plain
from ssdbench.catalog.registry import Annotations
from ssdbench.errors import UserError
from ssdbench.fetch.archive import unpack
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.download import fetch
from ssdbench.files.hashing import sha256_file
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

# From the configuration and not a param: another way to the same bytes is no reason to fetch them again.
mirror = snakemake.config.get("mirror") or None


def work() -> None:
    source = from_plain(Annotations, snakemake.params.source)
    output = Path(snakemake.output.annotations)
    checksums = Checksums(Path("resources/checksums.yaml"))
    archive = Path("resources/downloads") / source.file.name
    fetched = fetch(source.file, archive, checksums, mirror)
    (file,) = unpack(fetched.path, output.parent, [source.member], flat=True).values()
    found = sha256_file(file)
    if source.sha256 is not None and found != source.sha256:
        raise UserError(
            f"{source.member} in {archive} has sha256 {found}, but the registry says {source.sha256}. "
            "Delete the archive to fetch it again, or overlay the registry row."
        )
    file.replace(output)


steps.run(snakemake.log[0], work)
