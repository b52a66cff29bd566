"""The published rows, by the preset that users run, from servers laid out as COCO's and TensorFlow's are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from conftest import CocoSample
from e2e.conftest import QUICK
from ssdbench.files.hashing import sha256_file
from ssdbench.files.reading import read_yaml
from ssdbench.plan.config import merge
from support.project import Project
from support.server import Fault, FileServer
from support.val2014 import CHECKPOINT, HOST, build_server

pytestmark = pytest.mark.full
IMAGES = 120  # the published rows take 1000; all but ten of those at hand, so that both subsets are nearly the same
FIRST, BY_ORDER = f"coco_val2014-first{IMAGES}", f"coco_val2014-fileorder{IMAGES}"


@pytest.fixture(scope="module")
def published(
    project: Project, coco_sample: CocoSample, coco_calibration: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, FileServer]:
    """The preset has run, with fewer images; the project's working copy and what its server saw."""
    for file in ("presets/coco_val2014_published.yaml", "workflow/resources/published.yaml"):
        path = project.folder / file
        path.write_text(re.sub("(first|fileorder)1000", rf"\g<1>{IMAGES}", path.read_text()))
    folder = tmp_path_factory.mktemp("server")
    weights = project.folder / "resources/models/ssdlite_mobilenet_v2/source/package/models/coco-ssd"
    overlay = build_server(folder, coco_sample.images, coco_sample.annotations, coco_calibration, weights)
    with FileServer(folder) as server:
        # A line that breaks once: the download goes on from there.
        archive = f"/{HOST}/annotations/annotations_trainval2014.zip"
        server.faults[archive] = [Fault("cut", times=1, at=100_000)]
        preset = read_yaml(project.folder / "presets/coco_val2014_published.yaml")
        config = merge(preset, {**QUICK, "registries": [str(overlay)], "mirror": server.url})
        fetched = project.run("fetch", config=config)
        assert fetched.returncode == 0, fetched.stdout + fetched.stderr
        requests = list(server.log)
    done = project.run(config=config)  # the server is gone: what comes after `fetch` needs no network
    assert done.returncode == 0, done.stdout + done.stderr
    server.log[:] = requests
    return project, server


def test_everything_was_fetched_from_the_registrys_own_paths(published: tuple[Project, FileServer]) -> None:
    _, server = published
    paths = {request.path for request in server.log if request.status in (200, 206)}
    assert f"/download.tensorflow.org/models/object_detection/{CHECKPOINT}.tar.gz" in paths
    assert f"/{HOST}/annotations/annotations_trainval2014.zip" in paths
    images = [path for path in paths if path.startswith(f"/{HOST}/val2014/COCO_val2014_")]
    assert IMAGES <= len(images) <= 130
    assert not [path for path in paths if "/zips/" in path]


def test_a_broken_line_was_resumed(published: tuple[Project, FileServer]) -> None:
    _, server = published
    ranges = [request.range for request in server.log if request.path.endswith("annotations_trainval2014.zip")]
    assert ranges[0] == ""
    assert any(asked.startswith("bytes=") for asked in ranges[1:])


def test_only_what_was_asked_for_is_unpacked(published: tuple[Project, FileServer]) -> None:
    project, _ = published
    source = project.folder / f"resources/models/{CHECKPOINT}/source"
    assert [path.name for path in source.rglob("*.pb")] == ["frozen_inference_graph.pb"]
    assert not list((project.folder / "resources/datasets/coco_val2014").rglob("captions*"))


def test_the_channel_order_of_the_published_rows_is_what_separates_them(
    published: tuple[Project, FileServer],
) -> None:
    project, _ = published
    first = project.summary(FIRST)
    by_order = project.summary(BY_ORDER)
    rows = {**first, **by_order}
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert {row["images"] for row in rows.values()} == {str(IMAGES)}
    ap = {name[1:]: float(row["AP"]) for name, row in rows.items()}
    bgr, rgb = ap["published_tf", "tensorflow", "fp32"], ap["published_ort300", "onnxruntime", "fp32"]
    assert rgb - bgr > 0.04, ap
    assert abs(ap["published_tflite", "tflite", "fp32"] - bgr) < 0.01, ap
    assert abs(ap["published_ort", "onnxruntime", "fp32"] - rgb) < 0.03, ap
    assert ap["published_ort", "onnxruntime", "int8"] > 0.9 * ap["published_ort", "onnxruntime", "fp32"], ap


def test_the_shipped_frozen_graph_runs_untouched(published: tuple[Project, FileServer]) -> None:
    project, _ = published
    folder = project.folder / "resources/models" / CHECKPOINT
    (shipped,) = (folder / "source").rglob("frozen_inference_graph.pb")
    assert sha256_file(folder / "artifacts/graph/tensorflow/fp32/model.pb") == sha256_file(shipped)


def test_one_page_shows_the_published_rows_beside_ours(published: tuple[Project, FileServer]) -> None:
    project, _ = published
    page = (project.folder / "results/published/index.html").read_text()
    for text in (
        "0.208",
        "0.194",
        "0.264",
        "BGR",
        "reconstruct",
        FIRST,
        BY_ORDER,
    ):
        assert text in page, text


def test_the_way_between_two_published_rows_is_explained_by_runs_of_both_channel_orders(
    published: tuple[Project, FileServer],
) -> None:
    project, _ = published
    page = (project.folder / "results/published/index.html").read_text()
    assert "From the TensorFlow row to the ONNX Runtime row, one change at a time" in page
    assert "Our own runs go from" in page and "RGB in place of BGR" in page
    rows = project.summary(FIRST)
    bgr, rgb = (float(rows[CHECKPOINT, protocol, "tensorflow", "fp32"]["AP"]) for protocol in ("published_tf", "graph"))
    assert rgb - bgr > 0.04
    assert (project.folder / "results/published/figures").is_dir()


def test_an_ap_outside_what_was_published_is_looked_into(published: tuple[Project, FileServer]) -> None:
    project, _ = published
    run = project.json(f"results/{FIRST}/{CHECKPOINT}/published_tf/tensorflow/fp32/run.json")
    expected = run["expected"]
    assert (expected["AP"], expected["is_outside"]) == (0.208, abs(expected["ours"] - 0.208) > expected["tolerance"])
    assert bool(run["diagnosis"]["sentence"]) == expected["is_outside"]


def test_calibration_images_are_none_of_the_datasets(published: tuple[Project, FileServer]) -> None:
    project, _ = published
    (path,) = (project.folder / "resources/datasets/coco_val2014/calibrations").glob("*.json")
    chosen = {image["id"] for image in project.json(str(path.relative_to(project.folder)))["images"]}
    ids = {image["id"] for image in project.json(f"results/{FIRST}/images.json")["images"]}
    assert len(chosen) == 100
    assert not chosen & ids


def test_results_of_single_images_are_flagged_as_trusted_on_first_use(
    published: tuple[Project, FileServer],
) -> None:
    project, _ = published
    assert project.json(f"results/{FIRST}/images.json")["notes"]


def test_no_network_is_one_sentence(project: Project, tmp_path: Path) -> None:
    with FileServer(tmp_path) as server:
        address = server.url
    config = {**QUICK, "dataset": "coco_val2017-first5", "mirror": address}
    done = project.run("resources/datasets/coco_val2017/annotations.json", config=config)
    assert done.returncode == 1
    output = done.stdout + done.stderr
    assert "annotations_trainval2017.zip could not be fetched" in output
    assert "Check the network" in output
    shutil.rmtree(project.folder / "resources/datasets/coco_val2017", ignore_errors=True)
