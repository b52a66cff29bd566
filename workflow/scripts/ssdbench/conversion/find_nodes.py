"""Where a detector's graph is to be cut: by the names that the registry gives, else by the graph's structure.

Exporters of other years name the same nodes differently. What all SSDs have in common is the way from an image
[N, S, S, 3] into a first convolution, and from the last convolutions, one or two for each feature map, over reshapes
into one concatenation of box encodings and one of class scores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdbench.catalog.registry import HeadLayout, ModelRow
from ssdbench.conversion.fake_quant import FAKE_QUANT
from ssdbench.conversion.graphdef import constant, import_outputs, nodes_of, producer, similar_names, subgraph
from ssdbench.errors import UserError

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_LOG = logging.getLogger(__name__)

_CONVOLUTIONS = frozenset({"Conv2D", "DepthwiseConv2dNative"})
# What may stand between the normalised image and the first convolution, and gives the same values.
_UNCHANGED = frozenset({"Identity", "StopGradient", "Pad", "PadV2", "MirrorPad"}) | FAKE_QUANT
# What may stand between a last convolution and the concatenation of its head.
_SHAPING = _UNCHANGED | {
    "Reshape",
    "Squeeze",
    "ExpandDims",
    "Transpose",
    "BiasAdd",
    "Add",
    "AddV2",
    "Mul",
    "FusedBatchNormV3",
}
# What may stand between the concatenated scores and their sigmoid, which may itself come before the concatenation.
_BEFORE_SIGMOID = _SHAPING | {"RealDiv"}
_SIGMOIDS = frozenset({"Sigmoid", "Softmax"})
_CONCATENATIONS = frozenset({"ConcatV2", "Concat"})


@dataclass(frozen=True)
class CutNodes:
    """Names of the nodes where one graph is cut.

    image: the one node that holds the normalised image; more than one where the heads come to several of the row's.
    anchors: "" where no node is to have them. notes: what was not found by the registry's names, and what was taken.
    """

    image: tuple[str, ...]
    box_encodings: str
    class_scores: str
    anchors: str
    notes: tuple[str, ...]


def head_layout(row: ModelRow) -> HeadLayout:
    """The row's layout.

    Raises:
        UserError: the row has none, so its file can only run as it is.
    """
    if row.heads is None:
        raise UserError(f"The model {row.name} has no `heads` in the registry, so its graph cannot be cut.")
    return row.heads


def find_nodes(graph_def: GraphDef, row: ModelRow, source: Path) -> CutNodes:
    """The nodes that the row's layout names, or that have its meaning where the graph has none of the names.

    Raises:
        UserError: a node is found neither by name nor by structure; the sentence has the key.
    """
    layout, names = head_layout(row), nodes_of(graph_def)
    by_name = {
        key: next((name for name in layout.names(key) if name in names), "")
        for key in ("box_encodings", "class_scores", "anchors")
    }
    heads = [by_name["box_encodings"], by_name["class_scores"]]
    image = _reached(graph_def, [head for head in heads if head], layout.names("image"))
    notes: list[str] = []

    def taken(key: str, found: str, how: str) -> None:
        sentence = f"heads.{key}: the graph has no node {_either(layout.names(key))}; {how} is {found!r}"
        _LOG.info("%s: %s.", source, sentence)
        notes.append(sentence)

    if not image:
        found = _first_image(graph_def, [head for head in heads if head])
        if not found:
            raise _missing(row, "image", layout, names, source, "not one tensor alone enters the first convolution")
        image = (found,)
        taken("image", found, "the input of the first convolution")
    if not all(heads):
        boxes, scores = _structural_heads(graph_def, image, row)
        for key, found in (("box_encodings", boxes), ("class_scores", scores)):
            if by_name[key]:
                continue
            if not found:
                why = "not one concatenation alone of its shape follows the last convolutions"
                raise _missing(row, key, layout, names, source, why)
            by_name[key] = found
            taken(key, found, "what joins the outputs of the last convolutions")
        image = _reached(graph_def, [by_name["box_encodings"], by_name["class_scores"]], image)
    if layout.anchors and not by_name["anchors"]:
        found = _structural_anchors(graph_def, image, by_name["box_encodings"], row)
        if not found:
            why = "not one set alone of boxes [A, 4] is computed without the image's content"
            raise _missing(row, "anchors", layout, names, source, why)
        by_name["anchors"] = found
        taken("anchors", found, "the one set of boxes that does not depend on the image's content")
    return CutNodes(image, by_name["box_encodings"], by_name["class_scores"], by_name["anchors"], tuple(notes))


def _either(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))


def _missing(row: ModelRow, key: str, layout: HeadLayout, names: Iterable[str], source: Path, why: str) -> UserError:
    wanted = layout.names(key)
    return UserError(
        f"{source} has no node {_either(wanted)}, which the registry names as models.{row.name}.heads.{key}, and its "
        f"structure does not tell which node that is ({why}); {similar_names(wanted[-1], names)}."
    )


def _reached(graph_def: GraphDef, ends: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Those of `names` that the way back from `ends` comes to first; all that exist where it comes to none."""
    there = nodes_of(graph_def)
    known = tuple(name for name in names if name in there)
    part = subgraph(graph_def, ends, known)
    needed = {producer(tensor) for node in part.node for tensor in node.input}
    return tuple(name for name in known if name in needed) or known


def _users(nodes: Iterable[NodeDef]) -> dict[str, list[str]]:
    """The names of the nodes that take each node's data."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        for tensor in node.input:
            if not tensor.startswith("^"):
                found.setdefault(producer(tensor), []).append(node.name)
    return found


def _behind(users: Mapping[str, Sequence[str]], starts: Iterable[str]) -> set[str]:
    """The nodes that depend on what `starts` give."""
    found: set[str] = set()
    open_names = [user for start in starts for user in users.get(start, ())]
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names += users.get(name, ())
    return found


def _first_image(graph_def: GraphDef, ends: Sequence[str]) -> str:
    """The node whose tensor enters the first convolution, before what does not change its values.

    ends: only the way to them counts, or the whole graph where there are none. "" where there is not exactly one.
    """
    part = subgraph(graph_def, ends) if ends else graph_def
    nodes = nodes_of(part)
    convolutions = [node for node in part.node if node.op in _CONVOLUTIONS]
    later = _behind(_users(part.node), [node.name for node in convolutions])
    found = set()
    for node in convolutions:
        if node.name in later:
            continue
        tensor = node.input[0]
        while nodes[producer(tensor)].op in _UNCHANGED:
            tensor = nodes[producer(tensor)].input[0]
        weights = constant(nodes, node.input[1])
        if weights is not None and weights.shape[2] != 3:
            return ""
        found.add(tensor.removesuffix(":0"))
    name = found.pop() if len(found) == 1 else ""
    return "" if ":" in name else name


def _structural_heads(graph_def: GraphDef, image: Sequence[str], row: ModelRow) -> tuple[str, str]:
    """Box encodings and class scores by structure; "" for what is not found alone."""
    nodes, users = nodes_of(graph_def), _users(graph_def.node)
    joins = [node.name for node in graph_def.node if node.op in _CONCATENATIONS and _joins_convolutions(nodes, node)]
    boxes, logits = [], []
    for name, shape in _shapes(graph_def, image, row, joins).items():
        if (len(shape) == 4 and shape[2:] == (1, 4)) or (len(shape) == 3 and shape[2] == 4):
            boxes.append(name)
        elif len(shape) == 3 or (len(shape) == 4 and shape[2] == 1):
            logits.append(name)
    scores = {found for name in logits if (found := _sigmoid_of(nodes, users, name))}
    return (boxes[0] if len(boxes) == 1 else ""), (scores.pop() if len(scores) == 1 else "")


def _joins_convolutions(nodes: Mapping[str, NodeDef], join: NodeDef) -> bool:
    """Whether every part of a concatenation is the output of a convolution, but for its shape."""
    parts = join.input[:-1] if join.op == "ConcatV2" else join.input[1:]
    for tensor in parts:
        node = nodes[producer(tensor)]
        while node.op in _SHAPING | _SIGMOIDS and node.input:
            node = nodes[producer(node.input[0])]
        if node.op not in _CONVOLUTIONS:
            return False
    return bool(parts)


def _sigmoid_of(nodes: Mapping[str, NodeDef], users: Mapping[str, Sequence[str]], join: str) -> str:
    """The sigmoid or softmax of concatenated logits; the concatenation itself where that comes before it."""
    before = nodes[producer(nodes[join].input[1])]
    while before.op in _SHAPING:
        before = nodes[producer(before.input[0])]
    if before.op in _SIGMOIDS:
        return join
    found, open_names = set(), [join]
    while open_names:
        for user in users.get(open_names.pop(), ()):
            if nodes[user].op in _SIGMOIDS:
                found.add(user)
            elif nodes[user].op in _BEFORE_SIGMOID:
                open_names.append(user)
    return found.pop() if len(found) == 1 else ""


def _shapes(
    graph_def: GraphDef, image: Sequence[str], row: ModelRow, names: Sequence[str]
) -> dict[str, tuple[int | None, ...]]:
    """Shapes of the first outputs of nodes, for one image of the row's size, where their rank is known."""
    import tensorflow as tf

    if not names:
        return {}
    with tf.Graph().as_default():
        one = tf.zeros([1, *row.size, 3])
        tensors = import_outputs(graph_def, image, one, names)
    return {
        name: tuple(tensor.shape.as_list())
        for name, tensor in zip(names, tensors, strict=True)
        if tensor.shape.rank is not None
    }


def _structural_anchors(graph_def: GraphDef, image: Sequence[str], boxes: str, row: ModelRow) -> str:
    """The node with the one set of boxes [A, 4] that no convolution leads to; "" where there are several or none."""
    import tensorflow as tf

    later = _behind(_users(graph_def.node), [node.name for node in graph_def.node if node.op in _CONVOLUTIONS])
    makers = {"Const", "ConcatV2", "ExpandDims", "Identity", "Reshape", "Pack", "Tile", "RealDiv", "Mul"}
    makers_here = [node.name for node in graph_def.node if node.op in makers and node.name not in later]
    with tf.Graph().as_default() as graph:
        one = tf.zeros([1, *row.size, 3])
        encodings, *tensors = import_outputs(graph_def, image, one, [boxes, *makers_here])
        count = encodings.shape[1]
        candidates = {
            name: tensor
            for name, tensor in zip(makers_here, tensors, strict=True)
            if tensor.dtype == tf.float32 and tensor.shape.rank in (2, 3) and tensor.shape.as_list()[-2:] == [count, 4]
        }
        with tf.compat.v1.Session(graph=graph) as session:
            values: dict[str, Any] = session.run(candidates)
    sets = {name: value for name, value in values.items() if are_boxes(value)}
    first = next(iter(sets), "")
    return first if all(np.allclose(value.reshape(-1), sets[first].reshape(-1)) for value in sets.values()) else ""


def are_boxes(values: Any) -> bool:
    """Whether values [.., 4] can be anchors: finite, ymin below ymax and xmin below xmax."""
    corners = np.asarray(values).reshape(-1, 4)
    return bool(np.isfinite(corners).all() and (corners[:, :2] < corners[:, 2:]).all())
