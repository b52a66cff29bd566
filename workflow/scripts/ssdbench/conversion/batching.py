"""The same artifact for another batch, where a framework's files are fixed to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.conversion import check_conversion
from ssdbench.conversion.model_contents import contents_of
from ssdbench.conversion.tflite_graph import operator_code, packed, unpacked
from ssdbench.errors import UserError
from ssdbench.files.hashing import sha256_file
from ssdbench.files.writing import write_bytes
from ssdbench.runtimes import open_session

# The network is the same, so only the order of sums may differ.
_LIMIT = 1e-4


@dataclass(frozen=True)
class Single:
    """An artifact for single images: its card and its model file."""

    card: Mapping[str, Any]
    path: Path


def with_batch(single: Single, batch: int, pixels: Sequence[UInt8], destination: Path) -> dict[str, Any]:
    """Make an artifact of `heads` for so many images a call, and put its file into `destination` once it is checked.

    Weights and quantisation stay those of the artifact for single images; converting again would calibrate anew.

    Args:
        pixels: uint8 RGB [S, S, 3], the images to check with.

    Returns:
        The card: that of the single images but for what is the file's own, `batch` and `check`.
    Raises:
        UserError: the file is not made of images [1, ...] throughout, or its outputs are not those of single images.
    """
    framework = single.card["framework"]
    path = destination / single.path.name
    data = _rebatched(single.path, batch)
    unchecked = path.with_name(f"unchecked-{path.name}")
    write_bytes(unchecked, data)
    try:
        expected = check_conversion.run_all(open_session(framework, single.path, 1), pixels)
        found = check_conversion.run_all(open_session(framework, unchecked, 1), pixels, batch)
        figures = [
            check_conversion.Figure(
                f"largest difference of {name}", _largest_difference(expected, found, field), _LIMIT
            )
            for name, field in (("box encodings", "encodings"), ("class scores", "scores"))
        ]
        checked = check_conversion.require(figures, "the artifact for single images", len(pixels))
        contents = contents_of(framework, unchecked)
        unchecked.replace(path)
    finally:
        unchecked.unlink(missing_ok=True)
    return {
        **{key: value for key, value in single.card.items() if key not in ("status", "reason", "log")},
        "batch": batch,
        "size": path.stat().st_size,
        "sha256": sha256_file(path),
        "input": contents.input,
        "ops": contents.ops,
        "int8_share": contents.int8_share,
        "check": checked,
    }


def _rebatched(path: Path, batch: int) -> bytes:
    """A TFLite file of images [1, ...] as one of [batch, ...]: the first dimension of all that is computed changes.

    In the file format (tensorflow/lite/schema/schema.fbs) that is the shape of the input and of every tensor that
    comes of it, and the target of every RESHAPE of one.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpacked(path.read_bytes())
    (graph,) = model.subgraphs
    computed = set(graph.inputs)
    targets = set()
    for op in graph.operators:  # in the order of their running
        if computed.isdisjoint(op.inputs):
            continue  # it unpacks weights
        computed |= set(op.outputs)
        if operator_code(model, op) == schema.BuiltinOperator.RESHAPE:
            targets |= {graph.tensors[index].buffer for index in op.inputs[1:]}
            if op.builtinOptions is not None and op.builtinOptions.newShape is not None:
                op.builtinOptions.newShape = _first(path, op.builtinOptions.newShape, batch)
    for index in computed:
        tensor = graph.tensors[index]
        tensor.shape = _first(path, tensor.shape, batch)
        if tensor.shapeSignature is not None:
            tensor.shapeSignature = _first(path, tensor.shapeSignature, batch)
    for number in targets:
        shape = np.frombuffer(bytes(model.buffers[number].data), np.int32)
        model.buffers[number].data = np.frombuffer(_first(path, shape, batch).tobytes(), np.uint8)
    return packed(model)


def _first(path: Path, shape: Any, batch: int) -> Any:
    """The shape with its first dimension, which must be of one image or free (-1), made `batch` or left free."""
    dims = np.array(shape, np.int32)
    if dims.size == 0 or dims[0] not in (1, -1):
        raise UserError(
            f"{path} cannot be made for batch {batch}: a shape in it, {dims.tolist()}, is not of one image."
        )
    dims[0] *= batch if dims[0] == 1 else 1
    return dims


def _largest_difference(expected: Sequence[Any], found: Sequence[Any], field: str) -> float:
    pairs = zip(expected, found, strict=True)
    return float(np.max([np.abs(getattr(a, field) - getattr(b, field)).max() for a, b in pairs]))
