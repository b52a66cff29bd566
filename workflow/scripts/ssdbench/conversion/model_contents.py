"""What a model file holds: its operators, the share of them that computes in integers, its input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.conversion.load_graph import read_saved_model
from ssdbench.conversion.tflite_graph import operator_code, unpacked


@dataclass(frozen=True)
class Contents:
    """ops: number of operators by type, constants left out. int8_share: share of the computing operators
    that compute in 8-bit integers, 0 to 1; conversions between number formats are not computing operators.
    input: {name, dtype, shape}, free dimensions None. precision: of the file by its numbers: fp32, fp16, int8 or
    int8_dynamic; None where they are mixed otherwise.
    """

    ops: dict[str, int]
    int8_share: float
    input: dict[str, Any]
    precision: str | None


def contents_of(framework: str, path: Path) -> Contents:
    """Read a model file that `framework` has been found to run."""
    return _READERS[framework](path)


def _contents(
    names: Iterable[str], integer: int, computing: int, input_spec: dict[str, Any], weights: Mapping[str, int]
) -> Contents:
    """weights: how many numbers the large constants hold, by dtype."""
    ops = dict(sorted(Counter(names).items()))
    share = round(integer / computing, 4) if computing else 0.0
    return Contents(ops, share, input_spec, _precision(share, weights))


_MAINLY = 0.5  # of the weights: some layers stay in another precision


def _precision(int8_share: float, weights: Mapping[str, int]) -> str | None:
    total = sum(weights.values())
    main = max(weights, key=lambda dtype: weights[dtype], default="")
    if not total or weights[main] <= _MAINLY * total:
        return None
    if main in ("int8", "uint8"):
        return "int8" if int8_share > 0 else "int8_dynamic"
    return {"float32": "fp32", "float16": "fp16"}.get(main)


def _graph_def_contents(path: Path) -> Contents:
    import tensorflow as tf

    graph_def = read_saved_model(path) if path.is_dir() else tf.compat.v1.GraphDef.FromString(path.read_bytes())
    placeholder = next(node for node in graph_def.node if node.op == "Placeholder")
    shape = tf.TensorShape(placeholder.attr["shape"].shape)
    return _contents(
        (node.op for node in graph_def.node if node.op not in ("Const", "Placeholder", "NoOp")),
        0,
        len(graph_def.node),
        _input(
            placeholder.name,
            tf.as_dtype(placeholder.attr["dtype"].type).name,
            shape.as_list() if shape.rank is not None else [None] * 4,
        ),
        {"float32": 1},  # TensorFlow's graphs are run in fp32 here, whatever else some of their constants are
    )


def _tflite_contents(path: Path) -> Contents:
    from ai_edge_litert import schema_py_generated as schema

    model = unpacked(path.read_bytes())
    builtin = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    dtypes = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    names, integer, computing = [], 0, 0
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            custom = model.operatorCodes[op.opcodeIndex].customCode
            name = custom.decode() if custom else builtin[operator_code(model, op)]
            names.append(name)
            if name in ("QUANTIZE", "DEQUANTIZE", "CAST"):
                continue
            computing += 1
            ends = (subgraph.tensors[i].type for i in (op.inputs[0], op.outputs[0]))
            integer += all(dtypes[end] in ("INT8", "UINT8") for end in ends)
    weights: Counter[str] = Counter()
    for tensor in (tensor for subgraph in model.subgraphs for tensor in subgraph.tensors):
        data = model.buffers[tensor.buffer].data
        if data is not None and len(tensor.shape) > 1:
            weights[dtypes[tensor.type].lower()] += int(np.prod(tensor.shape))
    main = model.subgraphs[0]
    tensor = main.tensors[main.inputs[0]]
    spec = _input(tensor.name.decode(), dtypes[tensor.type].lower(), [int(n) for n in tensor.shape])
    return _contents(names, integer, computing, spec, weights)


def _onnx_contents(path: Path) -> Contents:
    import onnx

    model = onnx.load(str(path))
    nodes = [node for node in _onnx_nodes(model.graph) if node.op_type != "Constant"]
    makers = {output: node.op_type for node in nodes for output in node.output}
    users: dict[str, set[str]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, set()).add(node.op_type)
    conversions = ("QuantizeLinear", "DequantizeLinear", "Cast")
    computing = [node for node in nodes if node.op_type not in conversions]
    # QDQ: a runtime computes in integers what stands between a DequantizeLinear and a QuantizeLinear.
    integer = [
        node
        for node in computing
        if (
            makers.get(node.input[0] if node.input else "") == "DequantizeLinear"
            and users.get(node.output[0]) == {"QuantizeLinear"}
        )
        or node.op_type.startswith("QLinear")
        or node.op_type == "ConvInteger"
    ]
    dynamic = any(node.op_type == "DynamicQuantizeLinear" for node in nodes)
    weights: Counter[str] = Counter()
    for initializer in model.graph.initializer:
        if len(initializer.dims) > 1:
            dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(initializer.data_type)).name
            weights[dtype] += int(np.prod(initializer.dims))
    constants = {initializer.name for initializer in model.graph.initializer}
    value = next(value for value in model.graph.input if value.name not in constants)
    tensor = value.type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    shape = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    contents = _contents(
        (node.op_type for node in nodes), len(integer), len(computing), _input(value.name, dtype, shape), weights
    )
    return replace(contents, precision="int8_dynamic") if dynamic else contents


def _openvino_contents(path: Path) -> Contents:
    import openvino as ov

    model = ov.Core().read_model(str(path))
    operators = [node for node in model.get_ops() if node.get_type_name() not in ("Constant", "Parameter", "Result")]
    weights: Counter[str] = Counter()
    for node in model.get_ops():
        if node.get_type_name() == "Constant" and len(node.get_output_shape(0)) > 1:
            weights[node.get_output_element_type(0).to_dtype().name] += int(np.prod(node.get_output_shape(0)))
    # Between a FakeQuantize and the next, OpenVINO's CPU plugin computes in integers.
    computing = [node for node in operators if node.get_type_name() in ("Convolution", "GroupConvolution", "MatMul")]
    integer = sum(node.input_value(0).get_node().get_type_name() == "FakeQuantize" for node in computing)
    port = model.inputs[0]
    shape = [None if dim.is_dynamic else dim.get_length() for dim in port.get_partial_shape()]
    names = sorted(port.get_names()) or [port.get_node().get_friendly_name()]
    spec = _input(names[0], port.get_element_type().to_dtype().name, shape)
    return _contents((node.get_type_name() for node in operators), integer, len(computing), spec, weights)


def _onnx_nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of the graphs inside its nodes (If, Loop)."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _onnx_nodes(attribute.g)


def _input(name: str, dtype: str, shape: list[int | None]) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": shape}


_READERS = {
    "tensorflow": _graph_def_contents,
    "tflite": _tflite_contents,
    "onnxruntime": _onnx_contents,
    "openvino": _openvino_contents,
}
