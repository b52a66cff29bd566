"""Rule list_images: the images a dataset tag stands for, each checked to be whole and of the annotated size."""

from pathlib import Path
from typing import Any

from ssdbench.catalog.dataset_tag import Tag, select_ids
from ssdbench.catalog.plain import from_plain
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.image_list import ImageList, write_image_list
from ssdbench.files.hashing import sha256_file
from ssdbench.images.image_folder import folder_records, inspect
from ssdbench.jobs import steps

snakemake: Any  # given by the rule

WITHOUT_TRUTH = "No annotations were given, so no AP can be stated: cells are compared with their reference instead."


def work() -> None:
    given = snakemake.input.get("annotations")
    annotations = Path(given) if given else None
    folder = Path(snakemake.params.folder)
    tag = from_plain(Tag, snakemake.params.tag)
    listed = read_annotations(annotations).images if annotations else folder_records(folder)
    records = {record.id: record for record in listed}
    ids = select_ids(tag, list(records), {tag.ids: snakemake.params.ids})
    images = inspect(folder, [records[image] for image in ids], threads=snakemake.threads)
    write_image_list(
        Path(snakemake.output.images),
        ImageList(
            tag.text,
            tag.name,
            folder,
            annotations,
            sha256_file(annotations) if annotations else "",
            tuple(images),
            () if annotations else (WITHOUT_TRUTH,),
        ),
    )


steps.run(snakemake.log[0], work)
