"""Which artifacts can be made: graph kind, framework and precision of each model row. Imports nothing heavy."""

from __future__ import annotations

from ssdbench.registry import ModelRow

_MADE = {
    ("heads", "tensorflow"): ("fp32",),
    ("heads", "tflite"): ("fp32", "fp16", "int8"),
    ("heads", "onnxruntime"): ("fp32", "fp16", "int8"),
    ("graph", "tensorflow"): ("fp32",),
    ("graph", "tflite"): ("fp32", "int8"),
    ("graph", "onnxruntime"): ("fp32", "int8"),
}


def unsupported_reason(row: ModelRow, graph_kind: str, framework: str, precision: str) -> str | None:
    """Why there is no such artifact of a model, or None where there is."""
    if row.given is not None:
        given = (row.given[0], {"tflite": "tflite", "onnx": "onnxruntime"}[row.format], row.given[1])
        if (graph_kind, framework, precision) == given:
            return None
        return f"{row.name} is one finished file: {given[0]}, {given[1]}, {given[2]}"
    made = _MADE.get((graph_kind, framework), ())
    if precision in made:
        return None
    if framework == "tensorflow":
        return f"TensorFlow runs the frozen graph in {' and '.join(made)} only; {precision} is what TFLite is for"
    return f"no {precision} artifact of graph kind {graph_kind} is made for {framework}; there are {', '.join(made)}"
