"""What a TensorFlow graph may do: compute. Some operations reach files, a network or Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ssdbench.errors import UserError

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

# TensorFlow calls an operation stateful if it does more than compute. These are needed, and keep to the session.
_HARMLESS = re.compile(
    r"Assert|If|While|StatefulPartitionedCall|(TensorArray|Stack|HashTable|LookupTable(Find|Import|Size))\w*"
)
_OF_SAVED_MODELS = re.compile(
    r"VarHandleOp|VarIsInitializedOp|DisableCopyOnRead|\w*Variable(Op|V2)?|Assign|NoOp|SaveV2|RestoreV2|"
    r"MergeV2Checkpoints|MutableHashTable\w*"
)
_NOT_CALLED_STATEFUL = frozenset({"ReadFile", "MatchingFiles", "DebugIdentity", "DebugNanCount", "DebugNumericSummary"})


def require_computation_only(graph_def: GraphDef, path: Path, saved_model: bool = False) -> None:
    """Check that no node of a graph, functions included, does more than compute.

    Args:
        path: the file, for the sentence.
        saved_model: variables and their own saving and restoring are allowed too.

    Raises:
        UserError: one does.
    """
    from tensorflow.python.framework import op_def_registry

    for nodes in (graph_def.node, *(function.node_def for function in graph_def.library.function)):
        for node in nodes:
            definition = op_def_registry.get(node.op)  # None: a function of the graph, or unknown, which cannot be run
            stateful = definition is not None and definition.is_stateful
            allowed = _HARMLESS.fullmatch(node.op) or (saved_model and _OF_SAVED_MODELS.fullmatch(node.op))
            if node.op in _NOT_CALLED_STATEFUL or (stateful and not allowed):
                raise UserError(
                    f"{path} is refused: its node {node.name!r} is of the operation {node.op}, which does more than "
                    "compute and may reach files, a network or Python. Give a graph without it."
                )
