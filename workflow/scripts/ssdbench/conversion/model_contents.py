"""What a model file holds: its operators, the share of them that computes in integers, its input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.conversion.load_graph import read_saved_model


@dataclass(frozen=True)
class Contents:
    """ops: number of operators by type, constants left out. int8_share: share of the computing operators
    that compute in 8-bit integers, 0 to 1; conversions between number formats are no computing operators.
    input: {name, dtype, shape}, free dimensions None.
    """

    ops: dict[str, int]
    int8_share: float
    input: dict[str, Any]


def contents_of(framework: str, path: Path) -> Contents:
    """Read a model file that `framework` has been found to run."""
    return _READERS[framework](path)


def _contents(names: Iterable[str], integer: int, computing: int, input_spec: dict[str, Any]) -> Contents:
    ops = dict(sorted(Counter(names).items()))
    return Contents(ops, round(integer / computing, 4) if computing else 0.0, input_spec)


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
    )


def _tflite_contents(path: Path) -> Contents:
    # The schema's generated reader is the public definition of the file format; the interpreter's own list of
    # operators is not public, and names delegates once they are applied.
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(path.read_bytes()))
    builtin = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    dtypes = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    names, integer, computing = [], 0, 0
    for subgraph in model.subgraphs:
        for op in subgraph.operators:
            code = model.operatorCodes[op.opcodeIndex]
            custom = code.customCode.decode() if code.customCode else None
            name = custom or builtin[max(code.builtinCode, code.deprecatedBuiltinCode)]
            names.append(name)
            if name in ("QUANTIZE", "DEQUANTIZE", "CAST"):
                continue
            computing += 1
            ends = (subgraph.tensors[i].type for i in (op.inputs[0], op.outputs[0]))
            integer += all(dtypes[end] in ("INT8", "UINT8") for end in ends)
    main = model.subgraphs[0]
    tensor = main.tensors[main.inputs[0]]
    spec = _input(tensor.name.decode(), dtypes[tensor.type].lower(), [int(n) for n in tensor.shape])
    return _contents(names, integer, computing, spec)


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
    constants = {initializer.name for initializer in model.graph.initializer}
    value = next(value for value in model.graph.input if value.name not in constants)
    tensor = value.type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    shape = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
    return _contents((node.op_type for node in nodes), len(integer), len(computing), _input(value.name, dtype, shape))


def _onnx_nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of the graphs inside its nodes (If, Loop)."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _onnx_nodes(attribute.g)


def _input(name: str, dtype: str, shape: list[int | None]) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": shape}


_READERS = {"tensorflow": _graph_def_contents, "tflite": _tflite_contents, "onnxruntime": _onnx_contents}
