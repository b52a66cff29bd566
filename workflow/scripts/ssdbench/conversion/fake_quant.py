"""Graphs from quantisation-aware training: TensorFlow computes them in floats and rounds to 8-bit steps on the way.

A value at the edge of a step falls to one side or the other with the last bit of a sum, so two frameworks that both
compute rightly differ by whole steps here and there, and agree within less than one step on average.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ssdbench.conversion.graphdef import constant, nodes_of, producer

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_ARGS = "FakeQuantWithMinMaxArgs"
FAKE_QUANT = frozenset({"FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxVarsPerChannel", _ARGS})
_STEEPEST_SIGMOID = 0.25  # its largest slope: a step of a logit moves a score by a quarter at most


@dataclass(frozen=True)
class Steps:
    """The size of one quantisation step of box encodings, and how far one of the logits moves a class score."""

    encodings: float
    scores: float


def steps_of(heads: GraphDef, box_encodings: str, class_scores: str) -> Steps | None:
    """The steps that a cut graph rounds its heads to; None where it does not round at all."""
    nodes = nodes_of(heads)
    coarsest = max((_step(nodes, node) for node in heads.node if node.op in FAKE_QUANT), default=0.0)
    if not coarsest:
        return None
    encodings, logits = (_last_step(nodes, name) or coarsest for name in (box_encodings, class_scores))
    return Steps(encodings, logits * _STEEPEST_SIGMOID)


def _last_step(nodes: Mapping[str, NodeDef], name: str) -> float:
    """The coarsest step on the ways back from a node that no other rounding comes after, up to the convolutions."""
    found, seen, open_names = 0.0, set[str](), [name]
    while open_names:
        node = nodes[open_names.pop()]
        if node.name in seen or "Conv2d" in node.op or "Conv2D" in node.op:
            continue
        seen.add(node.name)
        if node.op in FAKE_QUANT:
            found = max(found, _step(nodes, node))
        else:
            open_names += [producer(tensor) for tensor in node.input]
    return found


def _step(nodes: Mapping[str, NodeDef], node: NodeDef) -> float:
    """The step of a node that rounds, the coarsest of its channels; 0 where its range is computed."""
    if node.op == _ARGS:
        width = node.attr["max"].f - node.attr["min"].f
    else:
        low, high = (constant(nodes, tensor) for tensor in node.input[1:3])
        if low is None or high is None:
            return 0.0
        width = float(np.max(high - low))
    levels = 2 ** (node.attr["num_bits"].i or 8) - 1 - int(node.attr["narrow_range"].b)
    return float(width / levels)
