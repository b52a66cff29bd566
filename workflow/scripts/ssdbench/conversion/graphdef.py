"""Small tools for GraphDefs: look up, cut out, run, wrap."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_SUGGESTIONS = 3


def producer(tensor: str) -> str:
    """The node that makes the input `tensor`: `^a` -> a, `a:1` -> a."""
    return tensor.removeprefix("^").split(":")[0]


def nodes_of(graph_def: GraphDef) -> dict[str, NodeDef]:
    """The nodes by name."""
    return {node.name: node for node in graph_def.node}


def similar_names(name: str, names: Iterable[str]) -> str:
    """A half sentence that suggests the names nearest to `name`, or says that there is none."""
    near = difflib.get_close_matches(name, list(names), n=_SUGGESTIONS, cutoff=0.4)
    return f"similar names there: {', '.join(near)}" if near else "no name there is similar"


def constant(nodes: Mapping[str, NodeDef], tensor: str) -> NDArray[Any] | None:
    """The value of `tensor` where it is a constant, seen through Identity; else None."""
    import tensorflow as tf

    node = nodes.get(producer(tensor))
    while node is not None and node.op == "Identity":
        node = nodes.get(producer(node.input[0]))
    if node is None or node.op != "Const":
        return None
    value: NDArray[Any] = tf.make_ndarray(node.attr["value"].tensor)
    return value


def subgraph(graph_def: GraphDef, ends: Iterable[str], stops: Iterable[str] = ()) -> GraphDef:
    """The nodes that `ends` need, without those in `stops` and what lies behind them.

    Control inputs are dropped, for on the way to a detector's heads they only carry assertions about shapes; all but
    those that put a node without data inputs, as a constant, into a while loop of TensorFlow 1. Wishes to be placed
    beside a node that does not come along are dropped too.

    Raises:
        ValueError: a node needs one that does not exist.
    """
    import tensorflow as tf

    nodes, stops = nodes_of(graph_def), set(stops)
    in_loop = _in_loops(graph_def)
    inputs: dict[str, list[str]] = {}  # of the nodes that are wanted
    open_names = [name for name in ends if name not in stops]
    while open_names:
        name = open_names.pop()
        if name in inputs or name in stops:
            continue
        if name not in nodes:
            raise ValueError(f"a node needs {name!r}, and there is no such node")
        data = [tensor for tensor in nodes[name].input if not tensor.startswith("^")]
        control = [tensor for tensor in nodes[name].input if tensor.startswith("^") and producer(tensor) in in_loop]
        inputs[name] = data or control
        open_names += map(producer, inputs[name])
    result = tf.compat.v1.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        if node.name in inputs:
            copy = result.node.add()
            copy.CopyFrom(node)
            del copy.input[:]
            copy.input.extend(inputs[node.name])
            _drop_places(copy, inputs)
    return result


def _in_loops(graph_def: GraphDef) -> set[str]:
    """The nodes inside the while loops of TensorFlow 1's control flow: behind an Enter, before an Exit."""
    users: dict[str, list[NodeDef]] = {}
    for node in graph_def.node:
        for tensor in node.input:
            users.setdefault(producer(tensor), []).append(node)
    found: set[str] = set()
    open_nodes = [node for node in graph_def.node if node.op in ("Enter", "RefEnter")]
    while open_nodes:
        node = open_nodes.pop()
        if node.name not in found and node.op not in ("Exit", "RefExit"):
            found.add(node.name)
            open_nodes += users.get(node.name, ())
    return found


def _drop_places(node: NodeDef, there: Container[str]) -> None:
    """Take out of a node's attribute `_class` the names of nodes that are not there."""
    if "_class" not in node.attr:
        return
    places = node.attr["_class"].list.s
    kept = [place for place in places if place.decode().removeprefix("loc:@") in there]
    if kept:
        places[:] = kept
    else:
        del node.attr["_class"]


def run_graph(graph_def: GraphDef, feeds: Mapping[str, NDArray[Any]], fetches: Sequence[str]) -> list[NDArray[Any]]:
    """Run a GraphDef once in a session of its own; tensors are named `node:0`."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            values: list[NDArray[Any]] = session.run(list(fetches), dict(feeds))
    return values


def import_outputs(
    graph_def: GraphDef, name: str | Sequence[str], tensor: Any, outputs: Sequence[str], scope: str = ""
) -> list[Any]:
    """What `graph_def` makes of `tensor` in place of its node `name`: put into the graph under construction.

    Only the nodes that `outputs` need come along. Of several names each node is replaced, so what lies behind the
    first on the way from the outputs does not count.
    """
    import tensorflow as tf

    names = [name] if isinstance(name, str) else name
    part = subgraph(graph_def, outputs, names)
    needed = {producer(source) for node in part.node for source in node.input} & set(names)
    elements: list[Any] = tf.import_graph_def(
        part,
        input_map={f"{node}:0": tensor for node in needed} or None,
        return_elements=[f"{output}:0" for output in outputs],
        name=scope,
    )
    return elements
