"""A dataset of the shape of COCO val2014, of real images, laid out as on COCO's and TensorFlow's servers."""

from __future__ import annotations

import json
import os
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import yaml

from ssdbench.files.hashing import sha256_file
from support.official_graph import write_official_targz
from support.project import ROOT

CHECKPOINT = "ssd_mobilenet_v2_coco_2018_03_29"
HOST = "s3.amazonaws.com/images.cocodataset.org"


def build_server(folder: Path, images: Path, annotations: Path, calibration: Path, weights: Path) -> Path:
    """Lay out the servers below `folder`, host by host; return an overlay registry with the right checksums."""
    host = folder / HOST
    host.mkdir(parents=True)
    _images(host / "val2014", images, annotations)
    archive = host / "annotations" / "annotations_trainval2014.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("annotations/instances_val2014.json", json.dumps(_dataset(annotations)))
        opened.writestr("annotations/captions_val2014.json", "{}")
    shutil.copytree(calibration, host / "train2017")
    names = sorted(path.name for path in calibration.iterdir())
    (folder / "calibration_images.txt").write_text("\n".join(names))
    checkpoint = folder / "download.tensorflow.org/models/object_detection" / f"{CHECKPOINT}.tar.gz"
    checkpoint.parent.mkdir(parents=True)
    write_official_targz(checkpoint, weights, CHECKPOINT)
    return _overlay(folder, archive, checkpoint)


def _overlay(folder: Path, archive: Path, checkpoint: Path) -> Path:
    registry = yaml.safe_load((ROOT / "workflow/resources/registry.yaml").read_text())
    dataset, model = registry["datasets"]["coco_val2014"], registry["models"][CHECKPOINT]
    for row, file in ((dataset["annotations"]["file"], archive), (model["source"]["file"], checkpoint)):
        row["size"], row["sha256"] = file.stat().st_size, sha256_file(file)
    dataset["calibration"]["names"] = "calibration_images.txt"
    overlay = folder / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"datasets": {"coco_val2014": dataset}, "models": {CHECKPOINT: model}}))
    return overlay


def _images(folder: Path, images: Path, annotations: Path) -> None:
    originals = shutil.copytree(images, folder.with_name("originals"))
    folder.mkdir()
    for image in _dataset(annotations)["images"]:
        os.link(originals / f"{image['id']:012d}.jpg", folder / image["file_name"])


def _dataset(annotations: Path) -> dict[str, Any]:
    """The annotations with val2014's file names, their images in random order."""
    document: dict[str, Any] = json.loads(annotations.read_text())
    for image in document["images"]:
        image["file_name"] = f"COCO_val2014_{image['id']:012d}.jpg"
    random.Random(0).shuffle(document["images"])
    return document
