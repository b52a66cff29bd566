"""The project's heads in ONNX as other makers give them: another form of outputs, another input, another layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ssdbench.boxes.output_form import OutputForm

INPUTS = ("uint8", "-1 to 1", "0 to 1", "0 to 255", "imagenet")
# What a float input means: (pixel - mean) / std.
MEAN_AND_STD = {
    "-1 to 1": ([127.5], [127.5]),
    "0 to 1": ([0.0], [255.0]),
    "0 to 255": ([0.0], [1.0]),
    "imagenet": ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
}


class _Writer:
    """Adds nodes at the end of a graph; each step gives the name of its result."""

    def __init__(self, graph: Any) -> None:
        self.graph, self._count = graph, 0

    def constant(self, value: Any) -> str:
        self._count += 1
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), f"form_constant_{self._count}"))
        return f"form_constant_{self._count}"

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        self._count += 1
        self.graph.node.append(helper.make_node(kind, inputs, [f"form_{self._count}"], **attributes))
        return f"form_{self._count}"

    def columns(self, name: str, *order: int) -> str:
        return self.node("Gather", name, self.constant(np.array(order, np.int64)), axis=2)


def write_form(
    source: Path, anchors: NDArray[np.float32], form: OutputForm, fed: str, channels_first: bool, path: Path
) -> None:
    """Write the heads at `source` (pixels uint8 [N, S, S, 3] in) in another form, with names that tell nothing.

    Boxes are decoded with the coder 10, 10, 5, 5. fed: one of INPUTS.
    """
    model = onnx.load(source)
    graph = model.graph
    write = _Writer(graph)
    (size,) = {dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim[1:3]}
    boxes, scores = "box_encodings", "class_scores"
    if form.activation != "none":
        (sigmoid,) = (node for node in graph.node if scores in node.output)
        logits = sigmoid.input[0]
        # A softmax over log-probabilities gives them back up to their sum, which is nearly 1 for these weights.
        least = write.constant(np.float32(1e-7))
        scores = logits if form.activation == "sigmoid" else write.node("Log", write.node("Max", scores, least))
    columns = [dim.dim_value for dim in graph.output[1].type.tensor_type.shape.dim][2]
    if form.background != "first":
        rest = range(1, columns)
        scores = write.columns(scores, *rest, *([0] if form.background == "last" else []))
    if form.box_form != "encodings":
        boxes = _decoded(write, boxes, anchors, form, size)
    if form.box_order == "xy":
        boxes = write.columns(boxes, 1, 0, 3, 2)
    outputs = {"first": write.node("Identity", scores), "second": write.node("Identity", boxes)}
    for name, old in outputs.items():
        graph.node[[node.output[0] for node in graph.node].index(old)].output[0] = name
    last = {"first": columns - (form.background == "none"), "second": 4}
    del graph.output[:]
    for name, depth in last.items():
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", len(anchors), depth]))
    if fed != "uint8":
        _float_input(graph, fed, channels_first, size)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _decoded(write: _Writer, boxes: str, anchors: NDArray[np.float32], form: OutputForm, size: int) -> str:
    sides = anchors[:, 2:] - anchors[:, :2]
    scaled = write.node("Mul", boxes, write.constant(np.array([0.1, 0.1, 0.2, 0.2], np.float32)))
    shift = write.node("Mul", write.columns(scaled, 0, 1), write.constant(sides))
    middle = write.node("Add", shift, write.constant(anchors[:, :2] + sides / 2))
    extent = write.node("Mul", write.node("Exp", write.columns(scaled, 2, 3)), write.constant(sides))
    parts = (middle, extent)
    if form.box_form == "corners":
        half = write.node("Mul", extent, write.constant(np.float32(0.5)))
        parts = (write.node("Sub", middle, half), write.node("Add", middle, half))
    decoded = write.node("Concat", *parts, axis=2)
    return write.node("Mul", decoded, write.constant(np.float32(size))) if form.box_scale == "pixels" else decoded


def _float_input(graph: Any, fed: str, channels_first: bool, size: int) -> None:
    """Undo a normalisation where the pixels were cast to float."""
    (cast,) = (node for node in graph.node if node.op_type == "Cast" and node.input[0] == "pixels")
    result = cast.output[0]
    graph.node.remove(cast)
    mean, std = (np.array(values, np.float32) for values in MEAN_AND_STD[fed])
    graph.initializer.extend([numpy_helper.from_array(std, "fed_std"), numpy_helper.from_array(mean, "fed_mean")])
    nodes = [
        helper.make_node("Mul", ["nhwc", "fed_std"], ["fed_scaled"]),
        helper.make_node("Add", ["fed_scaled", "fed_mean"], [result]),
    ]
    shape: list[Any] = ["N", size, size, 3]
    name = "nhwc"
    if channels_first:
        nodes.insert(0, helper.make_node("Transpose", ["nchw"], ["nhwc"], perm=[0, 2, 3, 1]))
        shape, name = ["N", 3, size, size], "nchw"
    for index, node in enumerate(nodes):
        graph.node.insert(index, node)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
