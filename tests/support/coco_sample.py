"""The 130 images of COCO val2017 that figures in the tests are of.

To make the folder that SSDBENCH_COCO_SAMPLE names, from COCO's own files:
python tests/support/coco_sample.py FOLDER val2017 annotations/instances_val2017.json [train2017]
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

CALIBRATION_IMAGES = 100


def sample_ids() -> list[int]:
    """Their ids, ascending."""
    with np.load(Path(__file__).with_name("coco_sample_detections.npz")) as detections:
        ids: list[int] = np.unique(detections["rgb_image"]).tolist()
    return ids


def has_the_sample(annotations: Path) -> bool:
    """Whether an instances file is of these images."""
    return sorted(image["id"] for image in json.loads(annotations.read_text())["images"]) == sample_ids()


def make(folder: Path, images: Path, annotations: Path, calibration: Path | None = None) -> None:
    """Copy the images and their annotations to `folder`, and the first images of another folder for calibration."""
    ids = set(sample_ids())
    document = json.loads(annotations.read_text())
    document["images"] = sorted((row for row in document["images"] if row["id"] in ids), key=lambda row: row["id"])
    document["annotations"] = [row for row in document["annotations"] if row["image_id"] in ids]
    if len(document["images"]) != len(ids):
        raise SystemExit(f"{annotations} has {len(document['images'])} of the {len(ids)} images: take COCO's val2017.")
    (folder / "images").mkdir(parents=True)
    for row in document["images"]:
        shutil.copy2(images / row["file_name"], folder / "images")
    (folder / "instances.json").write_text(json.dumps(document))
    if calibration:
        (folder / "calibration").mkdir()
        for path in sorted(calibration.glob("*.jpg"))[:CALIBRATION_IMAGES]:
            shutil.copy2(path, folder / "calibration")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the folder that SSDBENCH_COCO_SAMPLE names.")
    parser.add_argument("folder", type=Path, help="folder to make")
    parser.add_argument("images", type=Path, help="folder of val2017 images")
    parser.add_argument("annotations", type=Path, help="instances_val2017.json")
    parser.add_argument("calibration", type=Path, nargs="?", help="folder of train2017 images, for int8")
    given = parser.parse_args()
    make(given.folder, given.images, given.annotations, given.calibration)
    print(f"export SSDBENCH_COCO_SAMPLE={given.folder.resolve()}")
