"""Rule list_images: the images a dataset tag stands for, each checked to be whole and of the annotated size."""

from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.coco import ImageList, read_annotations, write_image_list
from ssdbench.files import sha256_file
from ssdbench.images import inspect
from ssdbench.tags import select_ids

snakemake: Any  # given by the rule


def work() -> None:
    annotations = Path(snakemake.input.annotations)
    folder = Path(snakemake.params.folder)
    tag = snakemake.params.tag
    records = {record.id: record for record in read_annotations(annotations).images}
    ids = select_ids(tag, list(records), {tag.ids: snakemake.params.ids})
    images = inspect(folder, [records[image] for image in ids], threads=snakemake.threads)
    write_image_list(
        Path(snakemake.output.images),
        ImageList(tag.text, tag.name, folder, annotations, sha256_file(annotations), tuple(images), ()),
    )


steps.run(snakemake.log[0], work)
