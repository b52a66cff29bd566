"""A TFLite file as objects that can be read and changed: the format's own generated classes.

That is the public definition of the format (tensorflow/lite/schema/schema.fbs); the interpreter's list of operators is
not public, and names delegates once they are applied.
"""

from __future__ import annotations

from typing import Any

import flatbuffers


def unpacked(data: bytes) -> Any:
    """The file's model (`ModelT`)."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))


def packed(model: Any) -> bytes:
    """The file of a model."""
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def operator_code(model: Any, op: Any) -> int:
    """Which operator of `BuiltinOperator` an operator of the graph is; old files have it in another field."""
    code = model.operatorCodes[op.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def output_name(graph: Any, op: Any) -> str:
    """The name of the tensor that an operator makes."""
    return str(graph.tensors[op.outputs[0]].name.decode())
