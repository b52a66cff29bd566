"""Fold what follows a convolution into its weights, and what a fixed input size decides into constants.

The same numbers come out, up to rounding, of fewer operators: every framework then sees a plain
convolution with a bias, so a difference between frameworks is none of how well each one's converter folds.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.conversion.graphdef import constant, nodes_of, producer, subgraph

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_NORMS = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_SUMS = ("Add", "AddV2", "BiasAdd")

Affine = tuple[NDArray[np.float64], NDArray[np.float64]]


def fold(graph_def: GraphDef, outputs: list[str]) -> GraphDef:
    """An equal graph: one bias per convolution, AddN of two as AddV2, reshapes to constant shapes.

    Names of `outputs` and of all that is not folded stay.
    """
    import tensorflow as tf

    result = tf.compat.v1.GraphDef()
    result.CopyFrom(graph_def)
    nodes = nodes_of(result)
    users = Counter(producer(tensor) for node in result.node for tensor in node.input)
    users.update(outputs)
    only_user = {
        producer(tensor): node for node in result.node for tensor in node.input if users[producer(tensor)] == 1
    }
    for node in list(result.node):
        if node.op in _CONVOLUTIONS and node.attr["data_format"].s in (b"", b"NHWC"):
            _fold_convolution(result, nodes, node, only_user)
        elif node.op == "AddN" and len(node.input) == 2:
            node.op = "AddV2"
            del node.attr["N"]
        elif node.op == "Reshape":
            _fold_shape(result, nodes, node)
    return subgraph(result, outputs)


def free_batch(graph_def: GraphDef, pixels: str) -> GraphDef:
    """An equal graph in which no reshape fixes the batch to one image, as graphs that were exported so do.

    pixels: the input uint8 [N, S, S, 3]. A reshape of one image to a constant shape (1, ...) becomes one to (-1, ...).
    """
    import tensorflow as tf

    result = tf.compat.v1.GraphDef()
    result.CopyFrom(graph_def)
    nodes = nodes_of(result)
    with tf.Graph().as_default() as graph:
        side = tf.TensorShape(nodes[pixels].attr["shape"].shape)[1]
        one = tf.zeros([1, side, side, 3], tf.uint8)
        tf.import_graph_def(graph_def, input_map={f"{pixels}:0": one}, name="")
        for node in list(result.node):
            shape = constant(nodes, node.input[1]) if node.op == "Reshape" else None
            if shape is None or not shape.size or shape[0] != 1:
                continue
            found = graph.get_operation_by_name(node.name).outputs[0].shape
            if found.is_fully_defined():
                freed = np.array([-1, *found[1:]], np.int32)
                node.input[1] = _add_constant(result, nodes, f"{node.name}/free_shape", freed)
    return result


def _fold_convolution(graph: GraphDef, nodes: dict[str, NodeDef], conv: NodeDef, only_user: dict[str, NodeDef]) -> None:
    """Replace the last of the affine nodes after `conv` by one BiasAdd, and scale the weights."""
    weights = constant(nodes, conv.input[1])
    if weights is None:
        return
    depthwise = conv.op == "DepthwiseConv2dNative"
    channels = weights.shape[2] * weights.shape[3] if depthwise else weights.shape[3]
    scale, offset = np.ones(channels), np.zeros(channels)
    last = conv
    while (user := only_user.get(last.name)) is not None:
        affine = _affine(nodes, user, last.name, channels)
        if affine is None:
            break
        scale, offset = scale * affine[0], offset * affine[0] + affine[1]
        last = user
    residual = only_user.get(last.name)
    if residual is not None and (shift := _bias_after_residual(nodes, residual, only_user, channels)) is not None:
        offset = offset + shift
        if last is conv:
            last = _add_node(graph, nodes, f"{conv.name}/folded")
            residual.input[:] = [last.name if producer(t) == conv.name else t for t in residual.input]
    if last is conv:
        return
    per_weight = scale.reshape(weights.shape[2:]) if depthwise else scale
    conv.input[1] = _add_constant(graph, nodes, f"{conv.name}/folded_weights", weights * per_weight)
    bias = _add_constant(graph, nodes, f"{conv.name}/folded_bias", offset)
    _become(last, "BiasAdd", [conv.name, bias], conv.attr["T"].type)


def _bias_after_residual(
    nodes: dict[str, NodeDef], residual: NodeDef, only_user: dict[str, NodeDef], channels: int
) -> NDArray[np.float64] | None:
    """c of (convolution + other branch) + c, taken out of the graph: it can join the convolution's bias.

    TensorFlow's own optimiser leaves sums in this order.
    """
    if residual.op not in (*_SUMS, "AddN") or len(residual.input) != 2:
        return None
    outer = only_user.get(residual.name)
    if outer is None or outer.op not in _SUMS:
        return None
    affine = _affine(nodes, outer, residual.name, channels)
    if affine is None or any(constant(nodes, tensor) is not None for tensor in residual.input):
        return None
    _become(outer, "Identity", [residual.name], outer.attr["T"].type)
    return affine[1]


def _affine(nodes: dict[str, NodeDef], node: NodeDef, data: str, channels: int) -> Affine | None:
    """scale, offset per channel where `node` is x * scale + offset of the tensor `data`; else None."""
    if node.op in _NORMS and producer(node.input[0]) == data and not node.attr["is_training"].b:
        values = [constant(nodes, tensor) for tensor in node.input[1:5]]
        if any(value is None for value in values):
            return None
        gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in values)
        scale = gamma / np.sqrt(variance + node.attr["epsilon"].f)
        return scale, beta - mean * scale
    if node.op not in (*_SUMS, "Mul") or len(node.input) != 2:
        return None
    other = node.input[1] if producer(node.input[0]) == data else node.input[0]
    value = constant(nodes, other)
    if (
        value is None
        or value.size not in (1, channels)
        or value.shape not in ((), (*(1,) * (value.ndim - 1), value.size))
    ):
        return None
    vector = np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,))
    return (vector, np.zeros(channels)) if node.op == "Mul" else (np.ones(channels), vector)


def _fold_shape(graph: GraphDef, nodes: dict[str, NodeDef], reshape: NodeDef) -> None:
    """Pack(batch, constants...) as a Reshape's shape becomes the constant (-1, ...): the same shape."""
    pack = nodes[producer(reshape.input[1])]
    if pack.op != "Pack" or constant(nodes, pack.input[0]) is not None:
        return
    rest = [constant(nodes, tensor) for tensor in pack.input[1:]]
    if any(value is None or int(value) < 0 for value in rest):
        return
    shape = np.array([-1, *(int(value) for value in rest if value is not None)], np.int32)
    reshape.input[1] = _add_constant(graph, nodes, f"{reshape.name}/folded_shape", shape)


def _become(node: NodeDef, op: str, inputs: list[str], dtype: int) -> None:
    node.op = op
    del node.input[:]
    node.input.extend(inputs)
    node.attr.clear()
    node.attr["T"].type = dtype


def _add_node(graph: GraphDef, nodes: dict[str, NodeDef], name: str) -> NodeDef:
    """A new node called `name`, with a number after it where a graph that was folded before has it already."""
    free = next(chosen for n in count() if (chosen := f"{name}_{n}" if n else name) not in nodes)
    nodes[free] = graph.node.add(name=free)
    return nodes[free]


def _add_constant(graph: GraphDef, nodes: dict[str, NodeDef], name: str, value: NDArray[Any]) -> str:
    import tensorflow as tf

    if value.dtype == np.float64:
        value = value.astype(np.float32)
    node = _add_node(graph, nodes, name)
    node.op = "Const"
    node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, shape=value.shape))
    return str(node.name)
