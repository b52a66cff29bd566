"""Rule choose_calibration: draw calibration images from a folder, none of which is an evaluation image."""

from pathlib import Path
from typing import Any

from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.image_list import ImageList, coco_id, write_image_list
from ssdbench.files.hashing import sha256_file
from ssdbench.images.calibration import choose_calibration
from ssdbench.images.image_folder import folder_records, inspect
from ssdbench.images.orientation import Orientation
from ssdbench.jobs import steps

snakemake: Any  # given by the rule


def work() -> None:
    folder = Path(snakemake.params.folder)
    evaluation = Path(snakemake.params.evaluation)
    annotations = snakemake.input.get("annotations")
    evaluated = read_annotations(Path(annotations)).images if annotations else folder_records(evaluation)
    hashes = {
        sha256_file(evaluation / image.file_name): image.file_name
        for image in evaluated
        if (evaluation / image.file_name).is_file()
    }
    orientation: Orientation = snakemake.params.orientation or "displayed"
    candidates, *_ = inspect(folder, folder_records(folder, orientation), orientation)
    chosen = choose_calibration(
        candidates,
        snakemake.params.number,
        snakemake.params.seed,
        hashes,
        frozenset(filter(None, (coco_id(image.file_name) for image in evaluated))),
    )
    write_image_list(
        Path(snakemake.output.images),
        ImageList(
            snakemake.wildcards.calibration,
            snakemake.wildcards.dataset,
            folder,
            None,
            "",
            tuple(chosen),
            (),
            orientation,
        ),
    )


steps.run(snakemake.log[0], work)
