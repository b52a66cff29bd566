"""The thresholds of the non-maximum suppression that a published graph has inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ssdbench.catalog.registry import GraphNms
from ssdbench.conversion.graphdef import constant, nodes_of

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

# Where an operation takes its IoU threshold and its score threshold; None where it has no such input.
_INPUTS: Mapping[str, tuple[int, int | None]] = {
    "NonMaxSuppressionV2": (3, None),
    "NonMaxSuppressionV3": (3, 4),
    "NonMaxSuppressionV4": (3, 4),
    "NonMaxSuppressionV5": (3, 4),
    "CombinedNonMaxSuppression": (4, 5),
}


def own_nms(graph_def: GraphDef, stated: GraphNms) -> GraphNms:
    """What a registry states of a graph's suppression, with the thresholds that the graph itself holds.

    A threshold that the graph computes, or that differs between its classes, stays as it is stated.
    """
    nodes = nodes_of(graph_def)
    found = [node for node in graph_def.node if node.op in _INPUTS]
    iou = {_threshold(nodes, node, _INPUTS[node.op][0]) for node in found}
    score = {_threshold(nodes, node, _INPUTS[node.op][1]) for node in found}
    return replace(stated, iou=_one(iou, stated.iou), score=_one(score, stated.score))


def _one(values: set[float | None], stated: float) -> float:
    (value,) = values if len(values) == 1 else (None,)
    return stated if value is None else value


def _threshold(nodes: Mapping[str, NodeDef], node: NodeDef, place: int | None) -> float | None:
    value = None if place is None else constant(nodes, node.input[place])
    return None if value is None else float(f"{float(value):.6g}")  # 0.6 and not 0.6000000238
