"""Datasets in the forms that users bring, served as COCO is and run by the workflow: the right AP or a clear word."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import CocoSample
from support.coco_variants import (
    Document,
    bare_boxes,
    boxes,
    categories_from_zero,
    changed,
    eight_images,
    empty_keypoints,
    float_sizes,
    image_ids,
    motion_photograph,
    persons_alone,
    pngs,
    store_turned,
    unknown_category,
)
from support.project import Project
from support.server import FileServer
from support.shared_run import copy_of

pytestmark = pytest.mark.slow

CELL = "ssdlite_mobilenet_v2/heads/tflite/fp32"
# Dataset -> changes of its annotations, encoding, folder of its images, orientation stated, right AP (None: refused).
Form = tuple[Sequence[Callable[[Document], None]], str, str, str, float | None]
FORMS: dict[str, Form] = {
    "from_zero": ((categories_from_zero, image_ids(lambda number: 10**19 + number)), "utf-8", "plain", "", 0.2750),
    "class_zero": ((persons_alone(0),), "utf-8", "plain", "stored", 0.3245),
    "edited": ((empty_keypoints, image_ids(float), float_sizes), "utf-16", "plain", "", 0.2750),
    "bare": ((bare_boxes,), "utf-8", "motion", "", 0.2744),
    "displayed": ((pngs,), "utf-8", "upside_down", "displayed", 0.2750),
    "told": ((pngs,), "utf-8", "turned", "", 0.2750),
    "corners": ((boxes(lambda x, y, width, height, _: [x, y, x + width, y + height]),), "utf-8", "plain", "", 0.0061),
    "unsaid": ((pngs,), "utf-8", "upside_down", "", None),
    "unknown": ((unknown_category,), "utf-8", "plain", "", None),
}


def write_images(folder: Path, sample: CocoSample, document: Document) -> None:
    """Four folders of the same eight pictures."""
    for name in ("plain", "motion", "upside_down", "turned"):
        (folder / name).mkdir()
    for orientation, image in enumerate(document["images"], start=1):
        original = sample.images / image["file_name"]
        (folder / "plain" / original.name).write_bytes(original.read_bytes())
        (folder / "motion" / original.name).write_bytes(motion_photograph(original.read_bytes()))
        store_turned(original, 3, folder / "upside_down")
        store_turned(original, orientation, folder / "turned")


def dataset(folder: Path, url: str, name: str, document: Document) -> dict[str, Any]:
    """The registry row of a dataset; its archive is written for the server."""
    changes, encoding, images, orientation, _ = FORMS[name]
    with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
        archive.writestr("instances.json", json.dumps(changed(document, *changes)).encode(encoding))
    single = [f"{url}/{images}/{{file_name}}"]
    return {
        "kind": "coco",
        "title": name,
        "licence": "theirs",
        "annotations": {"file": {"name": f"{name}.zip", "urls": [f"{url}/{name}.zip"]}, "member": "instances.json"},
        "images": {
            "file": {"name": f"{name}-images.zip", "urls": [f"{url}/{name}-images.zip"]},
            "folder": images,
            "single_image_urls": single,
            "count": len(document["images"]),
        },
        "calibration": {"names": "names.txt", "single_image_urls": single},
        **({"orientation": orientation} if orientation else {}),
    }


@pytest.fixture(scope="module")
def ran(coco_sample: CocoSample, default_run: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """Detections and metrics of every dataset, in one run; the project and what the run said."""
    folder = tmp_path_factory.mktemp("brought")
    project = copy_of(default_run, folder / "project", without=("results", "logs"))
    document = eight_images(coco_sample.annotations)
    served = folder / "served"
    served.mkdir()
    write_images(served, coco_sample, document)
    (folder / "names.txt").write_text("1.jpg\n")
    with FileServer(served) as server:
        rows = {name: dataset(served, server.url, name, document) for name in FORMS}
        (folder / "datasets.yaml").write_text(yaml.safe_dump({"datasets": rows}))
        config = {
            "registries": [str(folder / "datasets.yaml")],
            "datasets": list(FORMS),
            "frameworks": ["tflite"],
            "precisions": ["fp32"],
            "reference": {"framework": "tflite"},
        }
        metrics = [f"results/{name}/{CELL}/metrics.json" for name in FORMS]
        done = project.run(*metrics, config=config, environment={"NO_PROXY": "127.0.0.1"})
    assert done.returncode == 1  # two are refused
    return project, done.stdout + done.stderr


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form[-1] is not None])
def test_the_right_ap_comes_out(ran: tuple[Project, str], name: str) -> None:
    project, said = ran
    assert (project.folder / f"results/{name}/{CELL}/metrics.json").is_file(), said
    record = project.json(f"results/{name}/{CELL}/metrics.json")
    assert (record["status"], record["images"]) == ("ok", 8), record["reason"]
    assert record["metrics"]["AP"] == pytest.approx(FORMS[name][-1], abs=0.0003)


def test_what_is_unusual_is_noted(ran: tuple[Project, str]) -> None:
    project, _ = ran
    (note,) = (
        note for note in project.json(f"results/corners/{CELL}/metrics.json")["notes"] if "leave their image" in note
    )
    assert note.startswith("78 of 100 annotated boxes") and "corners" in note
    assert any("taken in displayed pixels" in note for note in project.json("results/told/images.json")["notes"])


def test_the_stated_orientation_of_a_registry_row_is_followed(ran: tuple[Project, str]) -> None:
    project, _ = ran
    images = project.json("results/displayed/images.json")
    assert images["orientation"] == "displayed"
    assert {image["orientation"] for image in images["images"]} == {3}
    turned = [image["orientation"] for image in project.json("results/told/images.json")["images"]]
    assert turned == list(range(1, 9))


def test_what_is_neither_stated_nor_told_is_refused_with_what_to_do(ran: tuple[Project, str]) -> None:
    project, said = ran
    assert "8 of 8 images carry an EXIF rotation" in said and "State which: `displayed`" in said
    assert "annotations[100].category_id is 999, but there is no such category" in said
    assert "Traceback" not in said
    assert not list(project.folder.glob("results/un*/**/detections.json"))
