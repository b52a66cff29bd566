"""Runtimes: every framework gives the same numbers for the same small network, and says what it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ssdbench import runtimes
from ssdbench.errors import UserError
from ssdbench.host import cpu_flags
from ssdbench.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.outputs import Finished, Heads
from ssdbench.runtimes import open_session
from ssdbench.runtimes.base import find_outputs, input_form

# The network: pixels / 127.5 - 1, then two 2x2 convolutions of stride 2: 16 anchors, 3 classes.
SIZE, ANCHORS, CLASSES = 8, 16, 3
_RNG = np.random.default_rng(7)
BOX_WEIGHTS = _RNG.normal(0, 0.5, (2, 2, 3, 4)).astype(np.float32)
CLASS_WEIGHTS = _RNG.normal(0, 0.5, (2, 2, 3, CLASSES)).astype(np.float32)

BOXES = np.array([[[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 1.0, 1.0], [0, 0, 0, 0]]], np.float32)
SCORES = np.array([[0.9, 0.25, 0]], np.float32)
COCO_IDS = np.array([[17, 90, 1]], np.float32)
FINISHED = {
    "detection_boxes": BOXES,
    "detection_classes": COCO_IDS,
    "detection_scores": SCORES,
    "num_detections": np.array([2], np.float32),
}


def picture(seed: int, batch: int = 1, size: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (batch, size, size, 3), np.uint8)


def expected(pixels: NDArray[np.uint8]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The network in plain numpy, in float64."""
    n = len(pixels)
    x = pixels / 127.5 - 1
    patches = x.reshape(n, 4, 2, 4, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(n, ANCHORS, 12)
    logits = patches @ CLASS_WEIGHTS.reshape(12, CLASSES)
    return patches @ BOX_WEIGHTS.reshape(12, 4), 1 / (1 + np.exp(-logits))


def heads_function(images: Any, broken: bool = False) -> dict[str, Any]:
    """The network from normalised images, in TensorFlow."""
    import tensorflow as tf

    boxes = tf.nn.conv2d(images, BOX_WEIGHTS * (np.nan if broken else 1), 2, "VALID")
    classes = tf.nn.conv2d(images, CLASS_WEIGHTS, 2, "VALID")
    return {
        "box_encodings": tf.reshape(boxes, [-1, ANCHORS, 4], name="box_encodings"),
        "class_scores": tf.sigmoid(tf.reshape(classes, [-1, ANCHORS, CLASSES]), name="class_scores"),
    }


def save_graph(path: Path, build: Callable[[], object]) -> Path:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        build()
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def tensorflow_heads(path: Path, dtype: str = "uint8", broken: bool = False) -> Path:
    import tensorflow as tf

    def build() -> None:
        images = tf.compat.v1.placeholder(dtype, [None, SIZE, SIZE, 3], name="pixels")
        heads_function(tf.cast(images, tf.float32) / 127.5 - 1 if dtype == "uint8" else images, broken)

    return save_graph(path, build)


def tensorflow_graph(path: Path) -> Path:
    import tensorflow as tf

    def build() -> None:
        tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], name="image_tensor")
        for name, value in FINISHED.items():
            tf.identity(value, name=name)

    return save_graph(path, build)


def tflite_heads(path: Path, kind: str) -> Path:
    """kind: `uint8` pixels, floats inside; `float32` normalised; `int8` and `quantised` full integer."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([1, SIZE, SIZE, 3], tf.uint8 if kind == "uint8" else tf.float32)])
    def network(images: Any) -> dict[str, Any]:
        return heads_function(tf.cast(images, tf.float32) / 127.5 - 1 if kind == "uint8" else images)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()], network)
    if kind in ("int8", "quantised"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [(picture(seed) / 127.5 - 1).astype(np.float32)] for seed in range(20)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8 if kind == "int8" else tf.int8
        converter.inference_output_type = tf.float32 if kind == "int8" else tf.int8
    path.write_bytes(converter.convert())
    return path


def tflite_graph(path: Path) -> Path:
    """Two anchors and the post-process operator, whose outputs the file gives in another order."""
    import tensorflow as tf

    values = dict.fromkeys(("max_detections", "detections_per_class"), "i: 3")
    values |= dict.fromkeys(("y_scale", "x_scale"), "f: 10") | dict.fromkeys(("h_scale", "w_scale"), "f: 5")
    values |= {"num_classes": "i: 90", "max_classes_per_detection": "i: 1", "use_regular_nms": "b: true"}
    values |= {"nms_iou_threshold": "f: 0.6", "nms_score_threshold": "f: 0.1"}
    attributes = " ".join(f'attr {{ key: "{key}" value {{ {value} }} }}' for key, value in values.items())
    # Centre y and x, height, width.
    anchors = np.array([[0.2, 0.3, 0.2, 0.2], [0.75, 0.75, 0.5, 0.5]], np.float32)
    scores = np.zeros((1, 2, 91), np.float32)
    scores[0, 0, 17], scores[0, 1, 90] = 0.9, 0.25

    @tf.function(experimental_implements=f'name: "TFLite_Detection_PostProcess" {attributes}')
    def post_process(encodings: Any, class_scores: Any, anchors: Any) -> Any:
        # Stands for the operator until it is converted: four outputs that are told apart.
        kept = tf.reduce_max(class_scores[:, :1, :3] + encodings[:, :1, :3] + anchors[0, 0], axis=1)
        return encodings[:, :1] + tf.zeros([1, 3, 4]), kept, kept + 1, kept[:, 0]

    class Detector(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([1, SIZE, SIZE, 3], tf.uint8)])
        def __call__(self, images: Any) -> dict[str, Any]:
            zero = tf.reduce_sum(tf.cast(images, tf.float32)) * 0
            boxes, classes, found, count = post_process(tf.zeros([1, 2, 4]) + zero, scores + zero, anchors)
            return {"a": count, "b": found, "c": classes, "d": boxes}

    detector = Detector()
    tf.saved_model.save(detector, str(path.parent / "saved"), signatures=detector.__call__)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(path.parent / "saved"))
    converter.allow_custom_ops = True
    path.write_bytes(converter.convert())
    return path


def save_onnx(path: Path, nodes: list[Any], ins: list[Any], outs: list[Any], constants: Any = ()) -> Path:
    graph = helper.make_graph(nodes, "network", ins, outs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def onnx_heads(path: Path, kind: str = "uint8", names: tuple[str, str] = ("box_encodings", "class_scores")) -> Path:
    """kind: `uint8` pixels; `float32` (NHWC) or `nchw` normalised; `half` pixels, computed in float16."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["real", "divisor"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["normal"]),
        helper.make_node("Transpose", ["normal"], ["nchw"], perm=[0, 3, 1, 2]),
    ]
    nodes = {"float32": nodes[3:], "nchw": []}.get(kind, nodes)
    first = {"float32": "normal", "nchw": "nchw"}.get(kind, "pixels")
    weights = {"box_w": BOX_WEIGHTS, "class_w": CLASS_WEIGHTS}
    constants = {name: w.transpose(3, 2, 0, 1) for name, w in weights.items()}
    constants |= {"divisor": np.float32(127.5), "one": np.float32(1)}
    image = "nchw"
    if kind == "half":
        nodes.append(helper.make_node("Cast", ["nchw"], ["half"], to=TensorProto.FLOAT16))
        constants |= {name: constants[name].astype(np.float16) for name in weights}
        image = "half"
    for name, depth, output in (("box", 4, names[0]), ("class", CLASSES, names[1])):
        constants[f"{name}_shape"] = np.array([-1, ANCHORS, depth])
        nodes += [
            helper.make_node("Conv", [image, f"{name}_w"], [f"{name}_conv"], strides=[2, 2]),
            helper.make_node("Transpose", [f"{name}_conv"], [f"{name}_nhwc"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [f"{name}_nhwc", f"{name}_shape"], [f"{name}_flat"]),
            helper.make_node("Cast", [f"{name}_flat"], [f"{name}_out"], to=TensorProto.FLOAT),
            helper.make_node("Identity" if name == "box" else "Sigmoid", [f"{name}_out"], [output]),
        ]
    dtype = TensorProto.UINT8 if first == "pixels" else TensorProto.FLOAT
    shape = ["N", 3, SIZE, SIZE] if kind == "nchw" else ["N", SIZE, SIZE, 3]
    return save_onnx(
        path,
        nodes,
        [helper.make_tensor_value_info(first, dtype, shape)],
        [
            helper.make_tensor_value_info(names[0], TensorProto.FLOAT, ["N", ANCHORS, 4]),
            helper.make_tensor_value_info(names[1], TensorProto.FLOAT, ["N", ANCHORS, CLASSES]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )


def onnx_graph(path: Path) -> Path:
    names = {f"{name}:0": value for name, value in FINISHED.items()}
    return save_onnx(
        path,
        [helper.make_node("Constant", [], [n], value=numpy_helper.from_array(v)) for n, v in names.items()],
        [helper.make_tensor_value_info("image_tensor:0", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(v.shape)) for n, v in names.items()],
    )


HEADS: dict[tuple[str, str], Callable[[Path], Path]] = {
    ("tensorflow", "uint8"): lambda folder: tensorflow_heads(folder / "model.pb"),
    ("tensorflow", "float32"): lambda folder: tensorflow_heads(folder / "model.pb", "float32"),
    ("tflite", "uint8"): lambda folder: tflite_heads(folder / "model.tflite", "uint8"),
    ("tflite", "float32"): lambda folder: tflite_heads(folder / "model.tflite", "float32"),
    ("tflite", "int8"): lambda folder: tflite_heads(folder / "model.tflite", "int8"),
    ("tflite", "quantised"): lambda folder: tflite_heads(folder / "model.tflite", "quantised"),
    ("onnxruntime", "uint8"): lambda folder: onnx_heads(folder / "model.onnx"),
    ("onnxruntime", "float32"): lambda folder: onnx_heads(folder / "model.onnx", "float32"),
    ("onnxruntime", "nchw"): lambda folder: onnx_heads(folder / "model.onnx", "nchw"),
    ("onnxruntime", "half"): lambda folder: onnx_heads(folder / "model.onnx", "half"),
    ("tflite-builtin", "int8"): lambda folder: tflite_heads(folder / "model.tflite", "int8"),
    ("openvino", "uint8"): lambda folder: onnx_heads(folder / "model.onnx"),
    ("openvino", "float32"): lambda folder: onnx_heads(folder / "model.onnx", "float32"),
    ("openvino", "nchw"): lambda folder: onnx_heads(folder / "model.onnx", "nchw"),
    ("openvino", "half"): lambda folder: onnx_heads(folder / "model.onnx", "half"),
    ("opencv", "uint8"): lambda folder: onnx_heads(folder / "model.onnx"),
    ("opencv", "float32"): lambda folder: onnx_heads(folder / "model.onnx", "float32"),
    ("opencv", "nchw"): lambda folder: onnx_heads(folder / "model.onnx", "nchw"),
}
GRAPHS: dict[str, Callable[[Path], Path]] = {
    "tensorflow": lambda folder: tensorflow_graph(folder / "model.pb"),
    "tflite": lambda folder: tflite_graph(folder / "model.tflite"),
    "onnxruntime": lambda folder: onnx_graph(folder / "model.onnx"),
    "openvino": lambda folder: onnx_graph(folder / "model.onnx"),
}
TOLERANCE = {"int8": 0.05, "quantised": 0.05, "half": 0.005}


@pytest.mark.parametrize(("framework", "kind"), HEADS)
def test_heads_are_those_of_the_network(framework: str, kind: str, tmp_path: Path) -> None:
    session = open_session(framework, HEADS[framework, kind](tmp_path), threads=1)
    assert (session.graph_kind, session.input_size) == ("heads", SIZE)
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
    assert ("2/255" in facts["input"]) == (kind in ("float32", "nchw", "quantised"))


@pytest.mark.parametrize("framework", ["tensorflow", "onnxruntime", "openvino", "opencv"])
def test_a_batch_gives_what_its_images_give(framework: str, tmp_path: Path) -> None:
    session = open_session(framework, HEADS[framework, "uint8"](tmp_path), threads=2)
    output = session.run(picture(3, batch=5))
    assert isinstance(output, Heads)
    assert np.abs(output.encodings - expected(picture(3, batch=5))[0]).max() < 1e-5


@pytest.mark.parametrize("framework", GRAPHS)
def test_finished_detections_carry_coco_ids(framework: str, tmp_path: Path) -> None:
    session = open_session(framework, GRAPHS[framework](tmp_path), threads=1)
    assert (session.graph_kind, session.input_size) == ("graph", SIZE if framework == "tflite" else None)
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
    with pytest.raises(UserError, match=r"takes 1 image\(s\) a call of 8x8 pixels, but was given 1 of 9x9"):
        session.run(picture(0, size=9))
    with pytest.raises(UserError, match="given 2 of 8x8"):
        session.run(picture(0, batch=2))


@pytest.mark.parametrize("framework", GRAPHS)
@pytest.mark.parametrize("content", [b"", b"not a model\n", bytes(64), b"\x08\x07\x12\x04TFL3" * 9])
def test_a_file_that_is_no_model_is_named(framework: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.bin cannot be loaded by \w+.*\. Check that it is a whole"):
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


def test_int8_inputs_are_fed_their_normalisation_through_their_own_scale() -> None:
    inputs = {"image": ("int8", (1, 8, 8, 3))}
    zero_to_one = Normalisation(1 / 255, 0)
    table = input_form(MODEL, inputs, zero_to_one, (1 / 255, -128)).table
    assert table is not None
    assert table.tolist() == list(range(-128, 128))
    with pytest.raises(UserError, match=r"holds numbers from 0 to 1, which pixel \* 2/255 - 1 exceeds: .* `input`"):
        input_form(MODEL, inputs, MOBILENET_SSD, (1 / 255, -128))
    # Calibration on dull images leaves out a little at both ends.
    assert input_form(MODEL, inputs, MOBILENET_SSD, (1.8 / 255, 0)).table is not None


MODEL = Path("folder/model.onnx")


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"a": ("uint8", (1, 8, 8, 3)), "b": ("uint8", (1, 8, 8, 3))},
        {"text": ("string", (1,))},
        {"image": ("uint8", (1, 8, 8, 1))},
        {"image": ("uint8", (1, 8, 6, 3))},
        {"image": ("int64", (1, 8, 8, 3))},
        {"image": ("int8", (1, 8, 8, 3))},
    ],
)
def test_inputs_that_are_no_pixels_are_listed(inputs: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    with pytest.raises(UserError) as raised:
        input_form(MODEL, inputs, MOBILENET_SSD)
    assert str(MODEL) in str(raised.value)
    assert all(name in str(raised.value) and dtype in str(raised.value) for name, (dtype, _) in inputs.items())


def test_outputs_are_told_by_name_in_any_order_and_else_listed() -> None:
    shapes = {f"scope/{name}:0": (1, None) for name in reversed([*FINISHED, "extra"])}
    kind, names = find_outputs(MODEL, shapes)
    assert kind == "graph"
    assert names == tuple(
        f"scope/{n}:0" for n in ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    )
    assert find_outputs(MODEL, {"x": (1, 9, 91), "y": (1, 9, 4)}) == ("heads", ("y", "x"))
    # Three classes and background: only the names say which is which.
    assert find_outputs(MODEL, {"class_scores": (1, 9, 4), "box_encodings": (1, 9, 4)}) == (
        "heads",
        ("box_encodings", "class_scores"),
    )
    for wrong in ({}, {"logits": (1, 1000)}, {"a": (1, 9, 4), "b": (1, 9, 4)}):
        with pytest.raises(UserError, match=r"outputs are .*Needed are box_encodings and class_scores") as raised:
            find_outputs(MODEL, wrong)
        assert all(name in str(raised.value) for name in wrong)
