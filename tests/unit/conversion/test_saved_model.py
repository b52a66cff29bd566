"""SavedModels in the form of the TF2 detection zoo: run untouched, and cut at their heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import ROOT
from ssdbench.boxes.coordinates import clip, decode
from ssdbench.boxes.nms import NmsSettings, suppress
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.registry import ModelRow, RemoteFile, Source
from ssdbench.catalog.registry_file import load_registry
from ssdbench.catalog.support import is_published_file
from ssdbench.conversion.convert import convert
from ssdbench.errors import UserError
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.model_source import fetch_source
from ssdbench.files.hashing import sha256_path
from ssdbench.inspection.take import take_file
from ssdbench.runtimes import open_session
from support.server import FileServer
from support.tf2_detector import CLASSES, LEVELS, PER_CELL, SIZE, fpn_detector, write_targz
from support.tiny_detector import images

pytestmark = pytest.mark.slow

ZOO = "ssd_mobilenet_v2_fpnlite_320x320_coco17_tpu-8"
ANCHORS = PER_CELL * sum((SIZE // 2**level) ** 2 for level in LEVELS)


@pytest.fixture(scope="module")
def row() -> ModelRow:
    """The zoo's own row, for the size of the small detector: node names and thresholds are what is tested."""
    registry = load_registry(
        [ROOT / "workflow/resources/registry.yaml"], ROOT / "workflow/schemas/registry.schema.yaml"
    )
    return replace(registry.model(ZOO), input_size=SIZE)


@pytest.fixture(scope="module", params=[False, True], ids=["resized first", "normalised first"])
def saved_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fpn_detector(tmp_path_factory.mktemp("tf2") / "saved_model", normalise_first=request.param)


def made(
    folder: Path, source: Path, row: ModelRow, kind: str, framework: str, precision: str = "fp32"
) -> tuple[dict[str, Any], Path]:
    pixels = images(16, SIZE)
    artifact = (row, source, kind, framework, precision, lambda: pixels)
    is_taken = is_published_file(row, kind, framework)
    card = take_file(*artifact, folder) if is_taken else convert(*artifact, True, folder)
    return card, folder / card["file"]


def own_outputs(saved_model: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """What TensorFlow makes of the SavedModel as any user of it calls it."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(saved_model))
    outputs = loaded.signatures["serving_default"](input_tensor=tf.constant(pixels))
    return {name: value.numpy() for name, value in outputs.items()}


def test_the_graph_runs_untouched_and_gives_coco_ids(saved_model: Path, row: ModelRow, tmp_path: Path) -> None:
    card, path = made(tmp_path, saved_model, row, "graph", "tensorflow")
    assert path.is_dir() and sha256_path(path) == sha256_path(saved_model) == card["sha256"]
    assert "untouched" in card["check"]["compared"]
    assert (card["input"]["name"], card["input"]["dtype"]) == ("input_tensor", "uint8")
    assert card["ops"]["Conv2D"] > 10
    session = open_session("tensorflow", path, 1)
    for size in (SIZE, 50):
        pixels = np.stack(images(1, 48, seed=3)) if size == 50 else np.stack(images(1, SIZE, seed=3))
        found, wanted = session.run(pixels), own_outputs(saved_model, pixels)
        assert isinstance(found, Finished)
        assert found.counts[0] == wanted["num_detections"][0] == 100
        np.testing.assert_allclose(found.boxes, wanted["detection_boxes"], atol=1e-6)
        assert found.class_ids.tolist() == wanted["detection_classes"].astype(int).tolist()
        assert set(found.class_ids.flat) <= set(range(1, CLASSES + 1))


@pytest.mark.parametrize("framework", ["tensorflow", "tflite", "onnxruntime"])
def test_its_heads_are_those_before_its_own_post_processing(
    framework: str, saved_model: Path, row: ModelRow, tmp_path: Path
) -> None:
    card, path = made(tmp_path, saved_model, row, "heads", framework)
    pixels = np.stack(images(1, SIZE, seed=7))
    heads, wanted = open_session(framework, path, 1).run(pixels), own_outputs(saved_model, pixels)
    assert isinstance(heads, Heads)
    np.testing.assert_allclose(heads.scores, wanted["raw_detection_scores"], atol=1e-4)
    anchors = np.asarray(card["anchors"], np.float32)
    assert anchors.shape == (ANCHORS, 4)
    boxes = decode(heads.encodings, anchors, card["box_coder"])
    np.testing.assert_allclose(boxes, wanted["raw_detection_boxes"], atol=1e-3)
    # With the thresholds of the graph our suppression keeps what the graph keeps.
    kept = suppress(heads.encodings[0], heads.scores[0], anchors, card["box_coder"], NmsSettings(1e-8, 0.6, 100))
    np.testing.assert_allclose(kept.scores, wanted["detection_scores"][0], atol=1e-4)
    np.testing.assert_allclose(kept.corners[:20], clip(wanted["detection_boxes"][0, :20]), atol=1e-3)


def test_its_anchors_are_those_of_the_multiscale_generator(saved_model: Path, row: ModelRow, tmp_path: Path) -> None:
    card, _ = made(tmp_path, saved_model, row, "heads", "tensorflow")
    anchors = np.asarray(card["anchors"])
    # The first cell of level 3 is centred on (4, 4) pixels; its boxes have 4 strides' area, times 1 and 2.
    centre, sides = (anchors[:, :2] + anchors[:, 2:]) / 2 * SIZE, (anchors[:, 2:] - anchors[:, :2]) * SIZE
    np.testing.assert_allclose(centre[:PER_CELL], 4, atol=1e-4)
    assert sorted(sides[:PER_CELL].prod(axis=1).round()) == [1024] * 3 + [2048] * 3
    assert sorted((sides[:PER_CELL, 1] / sides[:PER_CELL, 0]).round(3)) == [0.5, 0.5, 1, 1, 2, 2]


def test_other_frameworks_take_more_images_than_the_one_it_was_exported_for(
    saved_model: Path, row: ModelRow, tmp_path: Path
) -> None:
    session = open_session("onnxruntime", made(tmp_path, saved_model, row, "heads", "onnxruntime")[1], 1)
    pixels = images(3, SIZE)
    together, alone = session.run(np.stack(pixels)), [session.run(image[None]) for image in pixels]
    assert isinstance(together, Heads)
    np.testing.assert_allclose(together.scores, np.concatenate([a.scores for a in alone]), atol=1e-5)  # type: ignore[union-attr]
    assert session.batch is None


def test_it_is_quantised_like_any_other(tmp_path: Path, row: ModelRow) -> None:
    source = fpn_detector(tmp_path / "saved_model")
    tflite, _ = made(tmp_path / "tflite", source, row, "heads", "tflite", "int8")
    assert tflite["int8_share"] == 1.0
    onnx, _ = made(tmp_path / "onnx", source, row, "heads", "onnxruntime", "int8")
    assert onnx["ops"]["QuantizeLinear"] > 10


def test_it_is_fetched_as_the_zoo_packs_it(tmp_path: Path, row: ModelRow) -> None:
    saved_model = fpn_detector(tmp_path / "saved_model")
    (tmp_path / "www").mkdir()
    name = f"{ZOO}.tar.gz"
    write_targz(tmp_path / "www" / name, saved_model, ZOO)
    with FileServer(tmp_path / "www") as server:
        assert row.source.file is not None

        def fetched(member: str) -> Path:
            source = replace(row.source, file=RemoteFile(name, (f"{server.url}/{name}",)), member=member)
            folder = tmp_path / "source"
            found = fetch_source(
                row.name, row.format, source, folder, tmp_path / "downloads", Checksums(tmp_path / "sums.yaml"), None
            )
            assert found["origin"] == "first use"
            return folder / found["file"]

        assert sha256_path(fetched(row.source.member)) == sha256_path(saved_model)
        with pytest.raises(UserError, match=rf"has no folder {ZOO}/model; correct source\.member"):
            fetched(f"{ZOO}/model")


def test_what_is_no_saved_model_is_refused(tmp_path: Path, row: ModelRow) -> None:
    import tensorflow as tf

    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="is no SavedModel that can be loaded"):
        made(tmp_path / "x", tmp_path / "empty", row, "heads", "tensorflow")
    tf.saved_model.save(tf.Module(), str(tmp_path / "bare"))
    with pytest.raises(UserError, match="no signature serving_default"):
        made(tmp_path / "x", tmp_path / "bare", row, "heads", "tensorflow")
    with pytest.raises(UserError, match=r"source\.path is empty, and .* is no folder with a saved_model\.pb"):
        _load_local(tmp_path, "empty")
    assert _load_local(tmp_path, "bare").source == Source("local", path=str(tmp_path / "bare"))


def _load_local(folder: Path, path: str) -> ModelRow:
    text = f"""
models:
  mine:
    title: t
    source: {{kind: local, path: {path}}}
    format: saved_model
    licence: l
    trained_on: t
    input_size: 64
"""
    (folder / "mine.yaml").write_text(text)
    return load_registry([folder / "mine.yaml"], ROOT / "workflow/schemas/registry.schema.yaml").model("mine")
