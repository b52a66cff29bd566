"""Every artifact of a small detector: the file runs, gives the source's numbers, and its card tells what it is."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.support import unsupported_reason
from ssdbench.conversion.convert import convert
from ssdbench.conversion.graphdef import run_graph
from ssdbench.errors import UserError
from ssdbench.runtimes import open_session
from support.official_graph import official_graph
from support.tiny_detector import CLASSES, ROW, SIZE, images, tiny_anchors, tiny_graph_def, write_tfjs

pytestmark = pytest.mark.slow

FLOAT = [("tensorflow", "fp32"), ("tflite", "fp32"), ("onnxruntime", "fp32")]
HALF = [("tflite", "fp16"), ("onnxruntime", "fp16")]
INTEGER = [("tflite", "int8"), ("onnxruntime", "int8")]
DYNAMIC = [("tflite", "int8_dynamic"), ("onnxruntime", "int8_dynamic")]
TFJS_ROW = replace(ROW, format="tfjs")


@pytest.fixture(scope="module")
def graph_def() -> Any:
    return tiny_graph_def()


@pytest.fixture(scope="module")
def frozen(graph_def: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official") / "frozen_inference_graph.pb"
    path.write_bytes(official_graph(graph_def).SerializeToString())
    return path


@pytest.fixture(scope="module")
def model_json(graph_def: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tfjs(graph_def, tmp_path_factory.mktemp("tfjs"))


def made(
    folder: Path, source: Path, kind: str, framework: str, precision: str, row: ModelRow = ROW
) -> tuple[dict[str, Any], Path]:
    card = convert(
        row=row,
        source=source,
        graph_kind=kind,
        framework=framework,
        precision=precision,
        calibration_pixels=lambda: iter(images(16)),
        reduce_range=True,
        destination=folder,
    )
    return card, folder / card["file"]


@pytest.mark.parametrize(("framework", "precision"), FLOAT + HALF + INTEGER + DYNAMIC)
def test_heads_artifacts_give_the_source_s_heads(
    framework: str, precision: str, graph_def: Any, frozen: Path, tmp_path: Path
) -> None:
    card, path = made(tmp_path, frozen, "heads", framework, precision)
    pixels = np.stack(images(1, seed=7))
    output = open_session(framework, path, 1).run(pixels)
    assert isinstance(output, Heads)
    wanted = run_graph(graph_def, {"image_tensor:0": pixels}, ["Squeeze:0", "Postprocessor/convert_scores:0"])
    atol = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.3, "int8_dynamic": 0.3}[precision]
    np.testing.assert_allclose(output.encodings, wanted[0], atol=atol)
    np.testing.assert_allclose(output.scores, wanted[1], atol=atol)
    assert np.asarray(card["anchors"], np.float32).tolist() == tiny_anchors().tolist()
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["size"] == path.stat().st_size
    assert card["input"]["dtype"] == "uint8"
    assert card["input"]["shape"][1:] == [SIZE, SIZE, 3]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert card["versions"]["tensorflow"]


@pytest.mark.parametrize("framework", ["tensorflow", "onnxruntime"])
def test_batches_are_free_where_the_framework_allows_it(framework: str, frozen: Path, tmp_path: Path) -> None:
    session = open_session(framework, made(tmp_path, frozen, "heads", framework, "fp32")[1], 1)
    pixels = images(3)
    together, alone = session.run(np.stack(pixels)), [session.run(image[None]) for image in pixels]
    assert isinstance(together, Heads)
    np.testing.assert_allclose(together.scores, np.concatenate([a.scores for a in alone]), atol=1e-5)  # type: ignore[union-attr]


@pytest.mark.parametrize(("framework", "precision"), [*FLOAT[1:], *INTEGER])
def test_graph_artifacts_detect_what_the_official_graph_detects(
    framework: str, precision: str, frozen: Path, tmp_path: Path
) -> None:
    card, path = made(tmp_path, frozen, "graph", framework, precision)
    assert card["anchors"] is None
    reference, session = open_session("tensorflow", frozen, 1), open_session(framework, path, 1)
    # Other sizes only where the graph resizes by itself.
    for size in (SIZE, 48) if framework == "onnxruntime" else (SIZE,):
        pixels = np.stack(images(1, size, seed=3))
        wanted, found = reference.run(pixels), session.run(pixels)
        assert isinstance(wanted, Finished) and isinstance(found, Finished)
        n = int(wanted.counts[0])
        assert n > 3
        if precision == "fp32":
            assert found.counts[0] == n
            assert found.class_ids[0, :n].tolist() == wanted.class_ids[0, :n].tolist()
            np.testing.assert_allclose(found.scores[0, :n], wanted.scores[0, :n], atol=1e-4)
            np.testing.assert_allclose(np.clip(found.boxes[0, :n], 0, 1), wanted.boxes[0, :n], atol=1e-4)
        else:
            # Quantised scores tie, so neighbours in rank may change places.
            assert abs(int(found.counts[0]) - n) <= 0.25 * n
            np.testing.assert_allclose(found.scores[0, :4], wanted.scores[0, :4], atol=0.1)
        assert set(found.class_ids[0, : int(found.counts[0])]) <= set(range(1, CLASSES + 1))


def test_without_a_shipped_frozen_graph_ours_detects_the_same(frozen: Path, model_json: Path, tmp_path: Path) -> None:
    card, path = made(tmp_path, model_json, "graph", "tensorflow", "fp32", TFJS_ROW)
    assert card["check"]["figures"]
    pixels = np.stack(images(2, size=40, seed=5))
    wanted = open_session("tensorflow", frozen, 1).run(pixels)
    found = open_session("tensorflow", path, 1).run(pixels)
    assert isinstance(wanted, Finished) and isinstance(found, Finished)
    np.testing.assert_array_equal(found.class_ids, wanted.class_ids)
    np.testing.assert_allclose(found.boxes, wanted.boxes, atol=1e-5)
    np.testing.assert_array_equal(found.counts, wanted.counts)


def test_int8_is_integer_and_says_so(frozen: Path, tmp_path: Path) -> None:
    tflite, path = made(tmp_path / "a", frozen, "heads", "tflite", "int8")
    assert tflite["int8_share"] == 1.0
    onnx, _ = made(tmp_path / "b", frozen, "heads", "onnxruntime", "int8")
    # The ten convolutions and the residual; reshaping, scores and normalising stay in floats.
    assert onnx["ops"]["Conv"] == 9
    assert 10 / sum(n for op, n in onnx["ops"].items() if "Linear" not in op) <= onnx["int8_share"] < 1
    assert "weights in 7 bits (reduce_range)" in onnx["notes"]
    assert made(tmp_path / "c", frozen, "heads", "onnxruntime", "fp32")[0]["int8_share"] == 0.0
    scale, zero_point = _input_quantisation(path)
    real = (np.arange(256) - zero_point) * scale
    wanted = np.arange(256) * 2 / 255 - 1
    half_a_grey_level = 1 / 255
    assert np.abs(real - wanted).max() <= half_a_grey_level * 1.001


def _input_quantisation(path: Path) -> tuple[float, int]:
    from ai_edge_litert.interpreter import Interpreter

    detail = Interpreter(model_path=str(path)).get_input_details()[0]
    assert detail["dtype"] == np.uint8
    scale, zero_point = detail["quantization"]
    return float(scale), int(zero_point)


def test_the_input_means_the_same_pixels_though_no_calibration_image_is_black_or_white(
    frozen: Path, tmp_path: Path
) -> None:
    grey = [(image // 4 + 96).astype(np.uint8) for image in images(16)]
    convert(ROW, frozen, "heads", "tflite", "int8", lambda: grey, True, tmp_path)
    scale, zero_point = _input_quantisation(tmp_path / "model.tflite")
    assert (scale, zero_point) == (pytest.approx(2 / 255), 127)


@pytest.mark.parametrize(("framework", "precision"), FLOAT + INTEGER)
def test_the_same_input_gives_the_same_model(framework: str, precision: str, frozen: Path, tmp_path: Path) -> None:
    one, other = (made(tmp_path / str(i), frozen, "heads", framework, precision) for i in range(2))
    if framework != "onnxruntime":  # tf2onnx numbers its names anew with each conversion
        assert one[0]["sha256"] == other[0]["sha256"]
    pixels = np.stack(images(1, seed=9))
    a, b = (open_session(framework, path, 1).run(pixels) for _, path in (one, other))
    assert isinstance(a, Heads) and isinstance(b, Heads)
    np.testing.assert_array_equal(a.encodings, b.encodings)
    np.testing.assert_array_equal(a.scores, b.scores)


def test_a_conversion_that_changes_the_detector_is_not_published(
    frozen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(graph_def: Any, outputs: list[str]) -> Any:
        import tensorflow as tf

        result = tf.compat.v1.GraphDef()
        result.CopyFrom(graph_def)
        for node in result.node:
            if node.op == "Const" and node.attr["value"].tensor.tensor_shape.dim[3:]:
                weights = tf.make_ndarray(node.attr["value"].tensor)
                node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weights * np.float32(1.01)))
        return result

    monkeypatch.setattr("ssdbench.conversion.convert.fold", damaged)
    with pytest.raises(UserError, match=r"largest difference of box encodings is .*, and at most 0\.001 is allowed"):
        made(tmp_path, frozen, "heads", "tensorflow", "fp32")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_supported_is_refused_with_the_reason(frozen: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="fp16 is what TFLite is for"):
        made(tmp_path, frozen, "heads", "tensorflow", "fp16")
    with pytest.raises(UserError, match="no images"):
        convert(ROW, frozen, "heads", "tensorflow", "fp32", list, True, tmp_path)


def test_only_what_can_be_made_is_supported() -> None:
    def supported(row: ModelRow) -> set[tuple[str, str, str]]:
        return {
            (kind, framework, precision)
            for kind in ("heads", "graph")
            for framework in ("tensorflow", "tflite", "onnxruntime", "openvino", "opencv")
            for precision in ("fp32", "fp16", "int8", "int8_dynamic", "bf16")
            if unsupported_reason(row, kind, framework, precision) is None
        }

    more = [("openvino", "fp32"), ("openvino", "int8")]
    bf16 = [("tensorflow", "bf16"), ("openvino", "bf16")]
    half = [*HALF, ("openvino", "fp16")]
    heads = {("heads", *pair) for pair in FLOAT + half + INTEGER + DYNAMIC + more + bf16 + [("opencv", "fp32")]}
    graph = {("graph", *pair) for pair in FLOAT + INTEGER + more}
    assert supported(ROW) == heads | graph
    assert supported(replace(ROW, heads=None)) == {("graph", "tensorflow", "fp32")}
    assert supported(replace(TFJS_ROW, heads=None)) == set()
    assert supported(replace(ROW, format="onnx", given=("graph", "int8"))) == {
        ("graph", "onnxruntime", "int8"),
        ("graph", "openvino", "int8"),
    }
