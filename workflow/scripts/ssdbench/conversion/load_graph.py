"""A model's own file, in whatever format it is published, as a TensorFlow GraphDef."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ssdbench.catalog.registry import ModelRow
from ssdbench.conversion.graphdef import subgraph
from ssdbench.conversion.tfjs import read_tfjs
from ssdbench.errors import UserError
from ssdbench.runtimes import prepare_tensorflow
from ssdbench.runtimes.graph_safety import require_computation_only

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_LARGEST_GRAPH = (2 << 30) - 1  # bytes; protobuf reads no message of 2 GiB


def load_graph(row: ModelRow, source: Path) -> GraphDef:
    """The GraphDef of a row of format `tfjs` (`source` is its model.json), `frozen_graph` or `saved_model` (a folder).

    Raises:
        UserError: the file is missing, too large, damaged or not a graph, or does more than compute, or the format
            has no GraphDef.
    """
    prepare_tensorflow()
    if row.format == "saved_model":
        return read_saved_model(source)
    readers = {"tfjs": read_tfjs, "frozen_graph": _read_frozen_graph}
    if row.format in readers:
        graph_def = readers[row.format](source)
        require_computation_only(graph_def, source)
        return graph_def
    raise UserError(f"The model {row.name} is a finished {row.format} file, and nothing can be converted from it.")


def _read_frozen_graph(source: Path) -> GraphDef:
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    if not source.is_file():
        raise UserError(f"{source} does not exist: fetch the model again.")
    if source.stat().st_size > _LARGEST_GRAPH:
        raise UserError(f"{source} is larger than 2 GiB, more than a frozen graph can be: give another file.")
    graph_def: GraphDef = tf.compat.v1.GraphDef()
    try:
        graph_def.ParseFromString(source.read_bytes())
    except DecodeError as error:
        raise UserError(
            f"{source} is not a TensorFlow frozen graph, or it is damaged: fetch the model again."
        ) from error
    if not graph_def.node:
        raise UserError(f"{source} holds no graph: it must be a frozen graph (.pb with its weights inside).")
    return graph_def


def read_saved_model(folder: Path) -> GraphDef:
    """The serving signature of a SavedModel as one GraphDef, its variables frozen and its functions inlined.

    It is for cutting and for looking at: control inputs are dropped.

    Raises:
        UserError: it is no SavedModel, does more than compute, or has no signature `serving_default`.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    try:
        for meta in parse_saved_model(str(folder)).meta_graphs:
            require_computation_only(meta.graph_def, folder, saved_model=True)
        # Kept: a signature does not keep the variables of its model alive.
        loaded = tf.saved_model.load(str(folder))
    except (OSError, ValueError, KeyError, AttributeError, tf.errors.OpError) as error:
        words = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(". ")
        raise UserError(f"{folder} is no SavedModel that can be loaded: {words}: fetch the model again.") from error
    signature = loaded.signatures.get("serving_default")
    if signature is None:
        raise UserError(f"{folder} has no signature serving_default: export it with one.")
    frozen = convert_variables_to_constants_v2(signature, lower_control_flow=False)
    return subgraph(frozen.graph.as_graph_def(), [tensor.op.name for tensor in frozen.outputs])
