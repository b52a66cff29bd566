"""Rule count_images: how many images a tag stands for, where only its list tells; shards are planned by it."""

from pathlib import Path
from typing import Any

from ssdbench.coco.image_list import read_image_list
from ssdbench.files.writing import write_json
from ssdbench.jobs import steps

snakemake: Any  # given by the rule


def work() -> None:
    images = read_image_list(Path(snakemake.input.images)).images
    write_json(Path(snakemake.output.counted), {"images": len(images)})


steps.run(snakemake.log[0], work)
