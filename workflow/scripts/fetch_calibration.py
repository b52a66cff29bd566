"""Rule fetch_calibration: calibration images of a COCO dataset, none of which is in the dataset itself."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.catalog.plain import from_plain
from ssdbench.catalog.registry import CalibrationSource
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.image_list import ImageList, ImageRecord, coco_id, write_image_list
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.image_files import place_images
from ssdbench.files.writing import link_or_copy
from ssdbench.images.calibration import choose_calibration
from ssdbench.images.image_folder import folder_records
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

# From the configuration and not a param: another way to the same bytes is no reason to fetch them again.
mirror = snakemake.config.get("mirror") or None


def work() -> None:
    source = from_plain(CalibrationSource, snakemake.params.source)
    dataset = snakemake.wildcards.dataset
    folder = Path("resources/datasets") / dataset / "calibration"
    evaluated = frozenset(image.id for image in read_annotations(Path(snakemake.input.annotations)).images)
    names = source.names.read_text(encoding="utf-8").split()
    candidates = [ImageRecord(coco_id(name) or -1 - n, name, 0, 0, "") for n, name in enumerate(names)]
    chosen = choose_calibration(candidates, snakemake.params.number, snakemake.params.seed, {}, evaluated)
    hashes = place_images(
        chosen,
        folder,
        source.single_image_urls,
        None,
        Path("resources/downloads"),
        Checksums(Path("resources/checksums.yaml")),
        mirror,
    )
    placed = Path(snakemake.output.folder)
    for name in hashes:
        link_or_copy(folder / "images" / name, placed / name)
    found = {record.file_name: record for record in folder_records(placed, "stored")}
    images = tuple(replace(found[record.file_name], sha256=hashes[record.file_name]) for record in chosen)
    write_image_list(
        Path(snakemake.output.images),
        ImageList(snakemake.wildcards.calibration, dataset, placed, None, "", images, ()),
    )


steps.run(snakemake.log[0], work)
