"""Rule fetch_images: the images that a tag of a COCO dataset stands for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.catalog.dataset_tag import Tag, select_ids
from ssdbench.catalog.plain import from_plain
from ssdbench.catalog.registry import Images
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.image_list import ImageList, write_image_list
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.image_files import place_images
from ssdbench.files.hashing import sha256_file
from ssdbench.files.writing import link_or_copy
from ssdbench.images.image_folder import orient
from ssdbench.images.orientation import Orientation
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

# From the configuration and not a param: another way to the same bytes is no reason to fetch them again.
mirror = snakemake.config.get("mirror") or None

RECORDED = "Images fetched one by one have no published checksum: their sha256 was recorded when first fetched."


def work() -> None:
    annotations = Path(snakemake.input.annotations)
    source = from_plain(Images, snakemake.params.source)
    tag = from_plain(Tag, snakemake.params.tag)
    stated: Orientation | None = snakemake.params.orientation or None
    truth = read_annotations(annotations)
    records = {truth.large_ids.get(record.id, record.id): record for record in truth.images}
    ids = select_ids(tag, list(records), {tag.ids: snakemake.params.ids})
    wanted = [records[image] for image in ids]
    folder = Path("resources/datasets") / tag.name
    downloads = Path("resources/downloads")
    hashes = place_images(
        wanted,
        folder,
        source.single_image_urls,
        source,
        downloads,
        Checksums(Path("resources/checksums.yaml")),
        mirror,
        orientation=stated,
    )
    images = [replace(record, sha256=hashes[record.file_name]) for record in wanted]
    placed = Path(snakemake.output.folder)
    for name in hashes:
        link_or_copy(folder / "images" / name, placed / name)
    orientation, note = "stored", ""
    if stated != "stored":
        images, orientation, note = orient(placed, images, stated)
    recorded = "" if (downloads / source.file.name).exists() else RECORDED
    write_image_list(
        Path(snakemake.output.images),
        ImageList(
            tag.text,
            tag.name,
            placed,
            annotations,
            sha256_file(annotations),
            tuple(images),
            tuple(filter(None, (recorded, note, *truth.notes))),
            orientation,
            truth.categories,
            truth.large_ids,
        ),
    )


steps.run(snakemake.log[0], work)
