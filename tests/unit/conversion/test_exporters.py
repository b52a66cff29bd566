"""Files that TensorFlow's own exporters wrote, with real weights, by the registry's shipped rows."""

from __future__ import annotations

import multiprocessing
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import ROOT, CocoSample
from ssdbench.catalog.frameworks import artifact_of, frameworks
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.registry_file import load_registry
from ssdbench.catalog.support import is_published_file
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.image_list import ImageRecord
from ssdbench.conversion.convert import convert
from ssdbench.evaluation.evaluate import evaluate
from ssdbench.images.image_folder import folder_records
from ssdbench.images.pixels import load_images
from ssdbench.inference.accuracy_pass import Pass, run_pass
from ssdbench.inference.detect import head_decoding
from ssdbench.inspection.take import take_file

pytestmark = [pytest.mark.slow, pytest.mark.full]

TF1, TF2 = "ssdlite_mobilenet_v2_coco_2018_05_09", "ssd_mobilenet_v2_320x320_coco17_tpu-8"
EXPORTERS = {
    "TF1 of 2019": ("tf1_2019_ssdlite_frozen_inference_graph.pb", TF1),
    "TF1 of 2022": ("tf1_2022_ssdlite_frozen_inference_graph.pb", TF1),
    "TF2 of 2022": ("tf2_2022_ssdlite_saved_model", TF2),
}
AWARE = "tf1_2019_ssdlite_quantisation_aware_untrained_ranges.pb"
UNKNOWN = {"image": "a", "box_encodings": "b", "class_scores": "c", "anchors": "d"}
NMS = {"score": 1e-8, "iou": 0.6, "max": 100}
# Every framework that runs anywhere, with every kind of graph that it runs: the variants run the same files.
FP32 = [
    (kind, name)
    for name, framework in frameworks().items()
    for kind, precisions in framework.artifacts.items()
    if "fp32" in precisions and not framework.provider
]
CONVERTED = [
    (kind, name)
    for kind, name in FP32
    if not frameworks()[name].artifact_of and (kind, name) != ("graph", "tensorflow")
]
AP = 0.3016


@pytest.fixture(scope="module")
def exported(other_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exporters")
    with tarfile.open(other_models / "exporters.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "exporters"


def shipped(name: str) -> ModelRow:
    resources = ROOT / "workflow"
    registry = load_registry([resources / "resources/registry.yaml"], resources / "schemas/registry.schema.yaml")
    return registry.model(name)


def pixels(sample: CocoSample, count: int = 8) -> list[np.ndarray]:
    records = folder_records(sample.images)[:count]
    return [array for _, array in load_images(sample.images, records, 300, "rgb")]


def ap(*given: Any) -> float:
    """What `ap_here` gives in a process of its own: a pass forks, and TensorFlow has run in this one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(ap_here, *given).result()


def ap_here(sample: CocoSample, path: Path, framework: str, card: dict[str, Any], folder: Path) -> float:
    """AP on the 130 images."""
    records = [
        ImageRecord(i.id, i.file_name, i.width, i.height, "") for i in read_annotations(sample.annotations).images
    ]
    job = Pass(
        framework,
        path,
        Normalisation(**card["normalisation"]),
        "fp32",
        sample.images,
        records,
        300,
        "rgb",
        head_decoding(card, NMS),
        len(records),
    )
    run_pass(job, 1, folder / "detections.json")
    found = evaluate(sample.annotations, folder / "detections.json", [record.id for record in records])
    return float(found["metrics"]["AP"])


Made = Callable[[str, str, str], tuple[dict[str, Any], Path]]


@pytest.fixture(scope="module")
def artifact(exported: Path, coco_sample: CocoSample, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Makes an fp32 artifact as the workflow does, once for all that run it: its card and its file."""
    made: dict[tuple[str, str, str], tuple[dict[str, Any], Path]] = {}
    images = pixels(coco_sample)

    def make(exporter: str, kind: str, framework: str) -> tuple[dict[str, Any], Path]:
        key = (exporter, kind, framework)
        if key not in made:
            file, model = EXPORTERS[exporter]
            row, folder = shipped(model), tmp_path_factory.mktemp("artifact")
            given = (row, exported / file, kind, framework, "fp32", lambda: images)
            if is_published_file(row, kind, framework):
                card = take_file(*given, folder)
            else:
                card = convert(*given, True, folder)
            made[key] = card, folder / card["file"]
        return made[key]

    return make


@pytest.mark.parametrize("exporter", list(EXPORTERS))
@pytest.mark.parametrize(("kind", "framework"), FP32)
def test_the_shipped_rows_reach_the_ap_of_the_weights_in_every_framework(
    exporter: str, kind: str, framework: str, artifact: Made, coco_sample: CocoSample, tmp_path: Path
) -> None:
    card, path = artifact(exporter, kind, artifact_of(framework, "fp32")[0])
    assert ap(coco_sample, path, framework, card, tmp_path) == pytest.approx(AP, abs=5e-4)


@pytest.mark.parametrize("exporter", list(EXPORTERS))
@pytest.mark.parametrize(("kind", "framework"), CONVERTED)
def test_what_is_converted_was_compared_with_its_source(
    exporter: str, kind: str, framework: str, artifact: Made
) -> None:
    card, _ = artifact(exporter, kind, framework)
    assert card["check"]["images"] == 8 and card["check"]["figures"]
    # The zoo's TF1 files drop scores up to 0.3, and the row says so; these were exported with 1e-8.
    if kind == "graph" and EXPORTERS[exporter][1] == TF1:
        assert card["notes"][0].startswith("suppression as in the source itself, score above 1e-08 and IoU 0.6;")


@pytest.mark.parametrize("exporter", list(EXPORTERS))
def test_without_a_known_name_the_same_is_found_by_structure(
    exporter: str, exported: Path, coco_sample: CocoSample, tmp_path: Path
) -> None:
    file, model = EXPORTERS[exporter]
    row, images = shipped(model), pixels(coco_sample)

    def heads(row: ModelRow, folder: Path) -> tuple[dict[str, Any], Sequence[Any]]:
        from ssdbench.conversion.check_conversion import run_all
        from ssdbench.runtimes import open_session

        card = convert(row, exported / file, "heads", "tensorflow", "fp32", lambda: images, True, folder)
        return card, run_all(open_session("tensorflow", folder / card["file"], 1), images[:2])

    assert row.heads is not None
    named, nameless = replace(row, heads=row.heads), replace(row, heads=replace(row.heads, **UNKNOWN))
    (known, wanted), (card, found) = heads(named, tmp_path / "named"), heads(nameless, tmp_path / "nameless")
    assert len(card["notes"]) == len(UNKNOWN) and not known["notes"]
    np.testing.assert_allclose(card["anchors"], known["anchors"], atol=1e-7)
    for a, b in zip(wanted, found, strict=True):
        np.testing.assert_allclose(a.encodings, b.encodings, atol=1e-4)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)


@pytest.mark.parametrize(("framework", "precision"), [("tflite", "fp32"), ("tflite", "int8"), ("onnxruntime", "fp32")])
def test_a_quantisation_aware_graph_agrees_with_tensorflow_within_its_steps(
    framework: str, precision: str, exported: Path, coco_sample: CocoSample, tmp_path: Path
) -> None:
    images = pixels(coco_sample, 16)
    card = convert(shipped(TF1), exported / AWARE, "heads", framework, precision, lambda: images, True, tmp_path)
    assert card["check"]["figures"] and "quantisation-aware" in card["notes"][0]
