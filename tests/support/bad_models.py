"""Model files that do to a runtime what bad ones do: they give NaN, never end, want all memory, or end the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from support.tiny_project import CONFIG, row

SIZE = 32
KEPT = 4

# What each does, and the framework whose file it is.
BAD_MODELS = {
    "nan": ("gives NaN", "onnxruntime"),
    "memory": ("wants more memory than there is", "onnxruntime"),
    "hang": ("never ends", "onnxruntime"),
    "crash": ("crashes", "tflite"),
}


def write_bad_model(name: str, folder: Path) -> dict[str, Any]:
    """Write the file into `folder`; return its registry row: finished detections, fp32."""
    suffix = "tflite" if BAD_MODELS[name][1] == "tflite" else "onnx"
    file = f"bad_{name}.{suffix}"
    (folder / file).write_bytes(_crashing_tflite() if name == "crash" else _bad_onnx(name))
    return {**row(file, suffix, SIZE), "given": ["graph", "fp32"]}


# A minute of the job's time, so that what never ends is ended soon.
SOON = ("--set-resources", "convert_model:runtime=1")


def with_bad_cells(models: dict[str, str]) -> dict[str, Any]:
    """The tiny matrix with a cell more for each of these models (name: framework) of mine/bad.yaml."""
    cell = {"dataset": "local", "protocol": "graph", "precision": "fp32"}
    cells = [{**cell, "model": model, "framework": framework} for model, framework in models.items()]
    return {**CONFIG, "registries": [*CONFIG["registries"], "mine/bad.yaml"], "published": cells}


def _bad_onnx(name: str) -> bytes:
    """A finished detector (image in, detections out) whose scores come by a bad way."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def constant(label: str, values: Any) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(values), label)

    constants = [
        constant("boxes", np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (1, KEPT, 1))),
        constant("classes", np.ones((1, KEPT), np.float32)),
        constant("count", np.float32([KEPT])),
        constant("nothing", np.float32(np.nan if name == "nan" else 0)),
        constant("scores", np.full((1, KEPT), 0.5, np.float32)),
        constant("all_axes", np.int64([0, 1, 2, 3])),
    ]
    nodes = [
        helper.make_node("Cast", ["image_tensor"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["floats", "all_axes"], ["brightest"], keepdims=0),
        helper.make_node("Mul", ["brightest", "nothing"], ["zero"]),
    ]
    nodes += _bad_way(name, constants, constant)
    nodes += [
        helper.make_node("Add", ["scores", "bad"], ["detection_scores"]),
        *(
            helper.make_node("Identity", [source], [output])
            for source, output in (
                ("boxes", "detection_boxes"), ("classes", "detection_classes"), ("count", "num_detections"),
            )
        ),
    ]  # fmt: skip
    shapes = {
        "detection_boxes": [1, KEPT, 4],
        "detection_classes": [1, KEPT],
        "detection_scores": [1, KEPT],
        "num_detections": [1],
    }
    graph = helper.make_graph(
        nodes,
        "bad",
        [helper.make_tensor_value_info("image_tensor", TensorProto.UINT8, [1, SIZE, SIZE, 3])],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in shapes.items()],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data


def _bad_way(name: str, constants: list[Any], constant: Any) -> list[Any]:
    """Nodes that make the scalar `bad` of the scalar `zero`, which is 0 or NaN and known only when the file runs."""
    from onnx import TensorProto, helper

    if name == "memory":  # 2^50 floats: 4 PB, more than a process can address
        constants.append(constant("size", np.int64([1 << 50])))
        return [
            helper.make_node("Cast", ["zero"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Add", ["size", "whole"], ["asked"]),
            helper.make_node("ConstantOfShape", ["asked"], ["huge"]),
            helper.make_node("ReduceMax", ["huge"], ["bad"], keepdims=0),
        ]
    if name == "hang":
        constants += [constant("turns", np.int64(1 << 62)), constant("yes", np.bool_(True))]
        body = helper.make_graph(
            [
                helper.make_node("Identity", ["go_on"], ["go_on_still"]),
                helper.make_node("Sin", ["value"], ["next_value"]),
            ],
            "turn",
            [
                helper.make_tensor_value_info("turn_number", TensorProto.INT64, []),
                helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
                helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
            ],
            [
                helper.make_tensor_value_info("go_on_still", TensorProto.BOOL, []),
                helper.make_tensor_value_info("next_value", TensorProto.FLOAT, []),
            ],
        )
        return [helper.make_node("Loop", ["turns", "yes", "zero"], ["bad"], body=body)]
    return [helper.make_node("Identity", ["zero"], ["bad"])]


def _crashing_tflite() -> bytes:
    """A file whose loop has itself as its body: the interpreter calls itself until its stack is full (signal 11)."""
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    def tensor(name: str, shape: list[int], kind: int = schema.TensorType.FLOAT32, buffer: int = 0) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, kind, buffer
        return made

    def part(tensors: list[Any], operators: list[Any]) -> Any:
        made = schema.SubGraphT()
        made.inputs, made.outputs, made.tensors, made.operators = [0], [1], tensors, operators
        return made

    def loop() -> Any:
        made, options = schema.OperatorT(), schema.WhileOptionsT()
        options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
        made.opcodeIndex, made.inputs, made.outputs = 0, [0], [1]
        made.builtinOptions, made.builtinOptionsType = options, schema.BuiltinOptions.WhileOptions
        return made

    image, model, code = [1, SIZE, SIZE, 3], schema.ModelT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.WHILE
    truth = schema.BufferT()
    truth.data = np.uint8([1])
    model.version, model.operatorCodes, model.buffers = 3, [code], [schema.BufferT(), truth]
    model.subgraphs = [
        part([tensor("image", image), tensor("out", image)], [loop()]),
        part([tensor("image", image), tensor("goes_on", [1], schema.TensorType.BOOL, 1)], []),
        part([tensor("image", image), tensor("next", image)], [loop()]),
    ]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
