"""TensorFlow.js graph models: model.json and its weight shards become a TensorFlow GraphDef.

Format: https://github.com/tensorflow/tfjs/tree/master/tfjs-converter (weightsManifest, modelTopology).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.errors import UserError
from ssdbench.files.reading import read_json

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_DTYPES = {"float32": np.dtype("<f4"), "int32": np.dtype("<i4"), "bool": np.dtype("?")}
_LARGEST_JSON = 64 << 20  # bytes; the topology of a detector is below 1 MB
_LARGEST_WEIGHTS = (2 << 30) - _LARGEST_JSON  # bytes; a GraphDef with its weights must stay below 2 GiB


@dataclass(frozen=True)
class _Weight:
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def read_tfjs(model_json: Path) -> GraphDef:
    """Read a TensorFlow.js graph model, control flow included.

    Every constant gets its weights; shards must lie in the folder of `model_json` and hold exactly the
    bytes that the manifest states.

    Raises:
        UserError: a file is missing, too large, or not what the manifest says.
    """
    if model_json.is_file() and model_json.stat().st_size > _LARGEST_JSON:
        raise UserError(f"{model_json} is larger than {_LARGEST_JSON >> 20} MB: it is not a graph model.")
    model = read_json(model_json)
    if not isinstance(model, dict) or not isinstance(model.get("modelTopology"), dict):
        raise UserError(f"{model_json} has no modelTopology: give the model.json of a TensorFlow.js graph model.")
    weights = dict(_weights(model_json, model.get("weightsManifest")))
    return _graph_def(model_json, model["modelTopology"], weights)


def _weights(model_json: Path, manifest: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    if not isinstance(manifest, list):
        raise UserError(f"{model_json} has no weightsManifest list: download the model again.")
    seen: set[str] = set()
    for group in manifest:
        if not isinstance(group, dict):
            raise UserError(f"{model_json}: weightsManifest holds {group!r:.60} instead of a group.")
        entries = [_weight(model_json, entry) for entry in _list(model_json, group, "weights")]
        data = _joined(model_json, _list(model_json, group, "paths"), sum(entry.size for entry in entries))
        start = 0
        for entry in entries:
            if entry.name in seen:
                raise UserError(f"{model_json} lists the weights {entry.name!r} twice.")
            seen.add(entry.name)
            count = prod(entry.shape)
            yield entry.name, np.frombuffer(data, entry.dtype, count, start).reshape(entry.shape)
            start += entry.size


def _list(model_json: Path, group: dict[str, Any], key: str) -> list[Any]:
    value = group.get(key)
    if not isinstance(value, list):
        raise UserError(f"{model_json}: a group of weightsManifest has no list {key!r}.")
    return value


def _weight(model_json: Path, entry: Any) -> _Weight:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise UserError(f"{model_json}: weightsManifest holds weights without a name.")
    name, shape, dtype = entry["name"], entry.get("shape"), entry.get("dtype")
    if "quantization" in entry:
        raise UserError(f"{model_json}: the weights {name!r} are quantised, and only the float32 export is supported.")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise UserError(f"{model_json}: the weights {name!r} have dtype {dtype!r}; supported are {', '.join(_DTYPES)}.")
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise UserError(f"{model_json}: the weights {name!r} have the impossible shape {shape!r:.60}.")
    return _Weight(name, tuple(shape), _DTYPES[dtype])


def _joined(model_json: Path, paths: list[Any], expected: int) -> bytes:
    """The shards joined; `expected` bytes exactly, known before anything is read."""
    folder = model_json.parent.resolve()
    if expected > _LARGEST_WEIGHTS:
        raise UserError(f"{model_json} states {expected} bytes of weights, more than a GraphDef can hold.")
    shards = []
    for path in paths:
        if not isinstance(path, str) or "\0" in path or PurePosixPath(path).is_absolute() or "\\" in path:
            raise UserError(f"{model_json}: {path!r:.80} is not the relative path of a shard.")
        shard = (folder / path).resolve()
        if not shard.is_relative_to(folder):
            raise UserError(f"{model_json}: the shard {path!r:.80} lies outside the folder of the model.")
        if not shard.is_file():
            raise UserError(f"{shard} is missing, and {model_json.name} needs it: fetch the model again.")
        shards.append(shard)
    found = sum(shard.stat().st_size for shard in shards)
    if found != expected:
        raise UserError(
            f"The shards of {model_json} hold {found} bytes, and the manifest states {expected}: fetch the model again."
        )
    return b"".join(shard.read_bytes() for shard in shards)


def _graph_def(model_json: Path, topology: dict[str, Any], weights: dict[str, NDArray[Any]]) -> GraphDef:
    import tensorflow as tf
    from google.protobuf import json_format

    try:
        graph_def: GraphDef = json_format.ParseDict(_bytes_as_base64(topology), tf.compat.v1.GraphDef())
    except (json_format.ParseError, RecursionError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{model_json}: modelTopology is not a GraphDef: {error!s:.200}") from error
    for node in graph_def.node:
        if node.op != "Const":
            continue
        if node.name not in weights:
            raise UserError(f"{model_json}: no shard holds the weights of the constant {node.name!r}.")
        values = weights[node.name]
        if node.attr["dtype"].type != tf.as_dtype(values.dtype).as_datatype_enum:
            raise UserError(
                f"{model_json}: the constant {node.name!r} and its weights ({values.dtype}) differ in dtype."
            )
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values, shape=values.shape))
    return graph_def


def _bytes_as_base64(value: Any) -> Any:
    """Strings of attributes as protobuf's JSON wants them: some exporters write a list of byte values."""
    if isinstance(value, list):
        return [_bytes_as_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {key: _bytes_as_base64(item) for key, item in value.items() if key != "s"}
    if "s" in value:  # a string in an attribute; in its `list`, a list of strings
        fields["s"] = _base64(value["s"])
    if isinstance(value.get("list"), dict) and isinstance(value["list"].get("s"), list):
        fields["list"]["s"] = [_base64(item) for item in value["list"]["s"]]
    return fields


def _base64(value: Any) -> Any:
    is_bytes = isinstance(value, list) and all(type(item) is int and 0 <= item < 256 for item in value)
    return base64.b64encode(bytes(value)).decode("ascii") if is_bytes else value
