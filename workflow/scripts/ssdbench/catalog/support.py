"""Which artifacts can be made of a model: graph kind, framework and precision. Imports nothing heavy."""

from __future__ import annotations

from ssdbench.catalog.frameworks import artifact_of
from ssdbench.catalog.frameworks import framework as framework_row
from ssdbench.catalog.registry import ModelRow

# By the format of a given file, the framework whose artifact it is.
_GIVEN_TO = {"tflite": "tflite", "onnx": "onnxruntime", "openvino": "openvino"}


def artifact_for(row: ModelRow, framework: str, precision: str) -> tuple[str, str]:
    """Framework and precision of the artifact that a cell of a model runs: OpenVINO's own of an IR."""
    own = artifact_of(framework, precision)
    return (framework, own[1]) if row.format == framework == "openvino" else own


def is_published_file(row: ModelRow, graph_kind: str, framework: str) -> bool:
    """Whether the artifact is the model's own file, untouched."""
    whole = row.format in ("frozen_graph", "saved_model")
    return row.given is not None or (whole and (graph_kind, framework) == ("graph", "tensorflow"))


def unsupported_reason(row: ModelRow, graph_kind: str, framework: str, precision: str) -> str | None:
    """Why a framework has no such artifact of a model to run, or None where it has."""
    own = artifact_for(row, framework, precision)
    if row.given is not None:
        given = (row.given[0], _GIVEN_TO[row.format], row.given[1])
        if (graph_kind, *own) != given:
            return f"{row.name} is one finished file: {given[0]}, {given[1]}, {given[2]}"
        if own == (framework, precision):
            return None
    elif row.heads is None and not is_published_file(row, graph_kind, own[0]):
        return f"{row.name} has no `heads` in the registry, so nothing can be converted from it"
    made = framework_row(framework).artifacts.get(graph_kind, ())
    if precision in made:
        return None
    if framework == "tensorflow" and made:
        return f"TensorFlow runs the frozen graph in {' and '.join(made)} only; {precision} is what TFLite is for"
    if not made:
        return f"{framework} runs no graph of kind {graph_kind}"
    return f"{framework} runs graphs of kind {graph_kind} in {' and '.join(made)} only"


def batch_reason(row: ModelRow, graph_kind: str, framework: str, batch: int) -> str | None:
    """Why an artifact of a model cannot take so many images in one query, or None where it can."""
    if batch == 1:
        return None
    if row.given is not None:
        return f"{row.name} is one finished file, used as it is: a query of it is one image"
    if graph_kind == "graph" and framework_row(framework).fixes_batch:
        return f"the non-maximum suppression inside a {framework} graph takes one image at a time"
    return None
