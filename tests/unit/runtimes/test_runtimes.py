"""Runtimes: every framework gives the same numbers for the same small network, and says what it runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench import runtimes
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.errors import UserError
from ssdbench.machine.host import cpu_flags
from ssdbench.runtimes import open_session
from support.runtime_models import (
    ANCHORS,
    BOXES,
    FINISHED,
    GRAPHS,
    HEADS,
    SCORES,
    SIZE,
    expected,
    onnx_graph,
    onnx_heads,
    picture,
    tensorflow_heads,
    tflite_heads,
)

TOLERANCE = {"int8": 0.05, "quantised": 0.05, "half": 0.005}


@pytest.mark.parametrize(("framework", "kind"), HEADS)
def test_heads_are_those_of_the_network(framework: str, kind: str, tmp_path: Path) -> None:
    session = open_session(framework, HEADS[framework, kind](tmp_path), threads=1)
    assert (session.graph_kind, session.input_size) == ("heads", (SIZE, SIZE))
    assert session.batch == (1 if framework.startswith("tflite") else None)
    kept = []
    for seed in range(3):
        output = session.run(picture(seed))
        assert isinstance(output, Heads)
        assert output.encodings.dtype == output.scores.dtype == np.float32
        kept.append(output)
    for seed, output in enumerate(kept):  # only now: a later run must not have changed what an earlier gave
        encodings, scores = expected(picture(seed))
        assert np.abs(output.encodings - encodings).max() <= TOLERANCE.get(kind, 1e-5)
        assert np.abs(output.scores - scores).max() <= TOLERANCE.get(kind, 1e-5)
    facts = session.facts()
    assert facts["version"]
    assert set(facts["threads_set"].values()) == {1}
    assert ("2/255" in facts["input"]) == (kind in ("float32", "nchw", "quantised", "int8"))


@pytest.mark.parametrize("framework", ["tensorflow", "onnxruntime", "openvino", "opencv"])
def test_a_batch_gives_what_its_images_give(framework: str, tmp_path: Path) -> None:
    session = open_session(framework, HEADS[framework, "uint8"](tmp_path), threads=2)
    output = session.run(picture(3, batch=5))
    assert isinstance(output, Heads)
    assert np.abs(output.encodings - expected(picture(3, batch=5))[0]).max() < 1e-5


@pytest.mark.parametrize("framework", GRAPHS)
def test_finished_detections_carry_coco_ids(framework: str, tmp_path: Path) -> None:
    session = open_session(framework, GRAPHS[framework](tmp_path), threads=1)
    assert (session.graph_kind, session.input_size) == ("graph", (SIZE, SIZE) if framework == "tflite" else None)
    output = session.run(picture(0))
    assert isinstance(output, Finished)
    assert output.counts.tolist() == [2]
    assert np.allclose(output.boxes[0, :2], BOXES[0, :2], atol=1e-6)
    assert np.allclose(output.scores[0, :2], SCORES[0, :2], atol=1e-6)
    assert output.class_ids[0, :2].tolist() == [17, 90]


def test_a_saved_model_runs_from_its_folder_or_its_file(tmp_path: Path) -> None:
    import tensorflow as tf

    class Detector(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8)])
        def __call__(self, image: Any) -> dict[str, Any]:
            zero = tf.reduce_sum(tf.cast(image, tf.float32)) * 0
            return {name: value + zero for name, value in FINISHED.items()} | {"raw_detection_boxes": zero}

    detector = Detector()
    tf.saved_model.save(detector, str(tmp_path), signatures={"serving_default": detector.__call__})
    for path in (tmp_path, tmp_path / "saved_model.pb"):
        output = open_session("tensorflow", path, threads=1).run(picture(0, size=20))
        assert isinstance(output, Finished)
        assert output.class_ids[0, :2].tolist() == [17, 90]


def test_casts_that_the_runtime_computes_are_counted(tmp_path: Path) -> None:
    casts = {}
    for kind in ("uint8", "half"):
        path = onnx_heads(tmp_path / f"{kind}.onnx", kind)
        casts[kind] = open_session("onnxruntime", path, threads=1).facts()["float_casts"]
    assert casts["uint8"] == 1
    assert casts["half"] > 1


@pytest.mark.skipif("avx512_bf16" not in cpu_flags(), reason="this CPU computes no bfloat16")
@pytest.mark.parametrize("framework", ["tensorflow", "openvino"])
def test_bf16_is_computed_and_fp32_is_not_bf16(framework: str, tmp_path: Path) -> None:
    path = HEADS[framework, "uint8"](tmp_path)
    errors = {}
    for precision in ("fp32", "bf16"):
        session = open_session(framework, path, threads=1, precision=precision)
        output = session.run(picture(0))
        assert isinstance(output, Heads)
        errors[precision] = np.abs(output.encodings - expected(picture(0))[0]).max()
        assert ("bf" in session.facts()["inference_precision"]) == (precision == "bf16")
    assert errors["fp32"] < 1e-5 < 1e-4 < errors["bf16"] < 0.1


def test_without_the_delegate_the_built_in_kernels_run(tmp_path: Path) -> None:
    facts = open_session("tflite-builtin", tflite_heads(tmp_path / "model.tflite", "uint8"), threads=1).facts()
    assert facts["delegate"] == "none"


def test_opencv_refuses_graphs_in_which_it_dies(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="raw heads"):
        open_session("opencv", onnx_graph(tmp_path / "model.onnx"), threads=1)


def test_opencv_gives_its_pool_back_to_decoding(tmp_path: Path) -> None:
    import cv2

    session = open_session("opencv", onnx_heads(tmp_path / "model.onnx"), threads=2)
    output = session.run(picture(0))
    assert isinstance(output, Heads)
    assert np.abs(output.encodings - expected(picture(0))[0]).max() < 1e-5
    assert cv2.getNumThreads() == 1


def test_delegate_and_dequantised_outputs_are_stated(tmp_path: Path) -> None:
    facts = open_session("tflite", tflite_heads(tmp_path / "model.tflite", "quantised"), threads=2).facts()
    assert facts["delegate"] == "XNNPACK"
    assert facts["threads_set"] == {"num_threads": 2}
    assert "dequantised" in facts["outputs"]


def test_nan_is_refused(tmp_path: Path) -> None:
    session = open_session("tensorflow", tensorflow_heads(tmp_path / "model.pb", broken=True), threads=1)
    with pytest.raises(UserError, match=rf"model\.pb returned NaN .*\({4 * ANCHORS} of {7 * ANCHORS}\)"):
        session.run(picture(0))


def test_another_size_or_batch_is_refused_with_both(tmp_path: Path) -> None:
    session = open_session("tflite", tflite_heads(tmp_path / "model.tflite", "uint8"), threads=1)
    with pytest.raises(UserError, match=r"takes 1 image\(s\) a call of 8x8 pixels .*, but was given 1 of 9x9"):
        session.run(picture(0, size=9))
    with pytest.raises(UserError, match="given 2 of 8x8"):
        session.run(picture(0, batch=2))


@pytest.mark.parametrize("framework", GRAPHS)
@pytest.mark.parametrize("content", [b"", b"not a model\n", bytes(64), b"\x08\x07\x12\x04TFL3" * 9])
def test_a_file_that_is_no_model_is_named(framework: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model cannot be loaded by \w+.*\. Check that it is a whole"):
        open_session(framework, path, threads=1)


def test_a_truncated_model_is_named(tmp_path: Path) -> None:
    for (framework, kind), make in HEADS.items():
        if kind == "uint8":
            path = make(tmp_path)
            path.write_bytes(path.read_bytes()[:-300])
            with pytest.raises(UserError, match=path.name):
                open_session(framework, path, threads=1)


def test_the_request_is_checked_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = onnx_heads(tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"'caffe' is not known\. Use one of: tensorflow, tflite, onnxruntime"):
        open_session("caffe", path, threads=1)
    with pytest.raises(UserError, match="0 threads"):
        open_session("onnxruntime", path, threads=0)
    with pytest.raises(UserError, match=r"other\.onnx does not exist"):
        open_session("onnxruntime", tmp_path / "other.onnx", threads=1)
    monkeypatch.delitem(sys.modules, "ssdbench.runtimes.onnxruntime", raising=False)
    monkeypatch.delattr(runtimes, "onnxruntime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"onnxruntime cannot be imported .* Install"):
        open_session("onnxruntime", path, threads=1)


@pytest.mark.parametrize("framework", ["tensorflow", "tflite", "onnxruntime"])
@pytest.mark.parametrize("scale", [1 / 255, 1.0, 1 / 127.5])
def test_float_inputs_are_fed_what_their_normalisation_says(framework: str, scale: float, tmp_path: Path) -> None:
    path, pixels = HEADS[framework, "float32"](tmp_path), picture(0)
    offset = -0.25
    session = open_session(framework, path, 1, Normalisation(scale, offset))
    output = session.run(pixels)
    assert isinstance(output, Heads)
    # The network is given x; `expected` takes pixels and makes x of them by itself.
    x = pixels * scale + offset
    wanted, _ = expected((x + 1) * 127.5)
    np.testing.assert_allclose(output.encodings, wanted, rtol=1e-4, atol=1e-4)
    assert "/255 - 0.25" in session.facts()["input"]


def test_uint8_inputs_take_pixels_whatever_the_normalisation(tmp_path: Path) -> None:
    path = onnx_heads(tmp_path / "model.onnx")
    plain, other = (
        open_session("onnxruntime", path, 1, n).run(picture(1)) for n in (MOBILENET_SSD, Normalisation(1, 0))
    )
    assert isinstance(plain, Heads) and isinstance(other, Heads)
    np.testing.assert_array_equal(plain.encodings, other.encodings)
