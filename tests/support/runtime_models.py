"""One small network in the formats of every framework, with inputs of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

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
