"""Rule list_images: the images a dataset tag stands for, each checked to be whole and of the annotated size."""

from pathlib import Path
from typing import Any

from ssdbench.catalog.dataset_tag import Tag, select_ids
from ssdbench.catalog.plain import from_plain
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.image_list import ImageList, write_image_list
from ssdbench.files.hashing import sha256_file
from ssdbench.images.image_folder import folder_records, inspect
from ssdbench.images.orientation import Orientation
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

WITHOUT_TRUTH = "No annotations were given, so no AP can be stated: cells are compared with their reference instead."
TURNED = "Some images carry an EXIF rotation, and boxes are in the pixels of the turned image."


def work() -> None:
    given = snakemake.input.get("annotations")
    annotations = Path(given) if given else None
    folder = Path(snakemake.params.folder)
    tag = from_plain(Tag, snakemake.params.tag)
    stated: Orientation | None = snakemake.params.orientation or None
    truth = read_annotations(annotations) if annotations else None
    large = truth.large_ids if truth else {}
    listed = truth.images if truth else folder_records(folder)
    records = {large.get(record.id, record.id): record for record in listed}
    ids = select_ids(tag, list(records), {tag.ids: snakemake.params.ids})
    wanted = [records[image] for image in ids]
    images, orientation, note = inspect(folder, wanted, stated or (None if truth else "displayed"), snakemake.threads)
    if not truth and not stated and any(image.orientation != 1 for image in images):
        note = TURNED
    write_image_list(
        Path(snakemake.output.images),
        ImageList(
            tag.text,
            tag.name,
            folder,
            annotations,
            sha256_file(annotations) if annotations else "",
            tuple(images),
            tuple(filter(None, ("" if truth else WITHOUT_TRUTH, note, *(truth.notes if truth else ())))),
            orientation,
            truth.categories if truth else (),
            large,
        ),
    )


steps.run(snakemake.log[0], work)
