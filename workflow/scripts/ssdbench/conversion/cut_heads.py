"""Cut a detector's GraphDef at its heads, and read its anchors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdbench.arrays import Float32
from ssdbench.boxes.anchors import read_anchors, standard_anchors
from ssdbench.catalog.registry import HeadLayout, ModelRow
from ssdbench.conversion.folding import free_batch
from ssdbench.conversion.graphdef import import_outputs, nodes_of, run_graph, similar_names
from ssdbench.errors import UserError

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

PIXELS = "pixels"
IMAGE = "image"
BOX_ENCODINGS = "box_encodings"
CLASS_SCORES = "class_scores"
# Columns of COCO's 80 classes without their gaps, with and without background, and of its 90 without background.
_NOT_COCO = (80, 81, 90)
MODEL = "model"  # the scope of the nodes that are the published model's own


def head_layout(row: ModelRow) -> HeadLayout:
    """The row's layout.

    Raises:
        UserError: the row has none, so its file can only run as it is.
    """
    if row.heads is None:
        raise UserError(f"The model {row.name} has no `heads` in the registry, so its graph cannot be cut.")
    return row.heads


def cut_heads(graph_def: GraphDef, row: ModelRow, source: Path, anchors: int) -> GraphDef:
    """The part of a detector between its normalised image and its heads, with our own input.

    `source` is the file that `graph_def` came from, for messages; `anchors` is their number A. The result has
    the input `pixels` uint8 RGB [N, S, S, 3], the node `image` float32 = pixels * scale + offset, and the
    outputs `box_encodings` float32 [N, A, 4] and `class_scores` float32 [N, A, C + 1].

    Raises:
        UserError: a named node is missing, or does not give what the registry says.
    """
    import tensorflow as tf

    layout = head_layout(row)
    for node in layout.image_nodes:
        _require_node(graph_def, node, f"models.{row.name}.heads.image", source)
    for key in ("box_encodings", "class_scores"):
        _require_node(graph_def, getattr(layout, key), f"models.{row.name}.heads.{key}", source)
    shape = [None, row.input_size, row.input_size, 3]
    with tf.Graph().as_default() as graph, _errors_of(source, "cannot be cut at its heads"):
        pixels = tf.compat.v1.placeholder(tf.uint8, shape, PIXELS)
        image = tf.add(tf.cast(pixels, tf.float32) * layout.scale, layout.offset, name=IMAGE)
        names = [layout.box_encodings, layout.class_scores]
        boxes, scores = import_outputs(graph_def, layout.image_nodes, image, names, MODEL)
        if boxes.shape.rank == 4:
            boxes = tf.squeeze(boxes, axis=2)
        tf.identity(boxes, BOX_ENCODINGS)
        tf.identity(scores, CLASS_SCORES)
        result: GraphDef = free_batch(graph.as_graph_def(), PIXELS)
    others = [node.name for node in result.node if node.op.startswith("Placeholder") and node.name != PIXELS]
    if others:
        raise UserError(
            f"{source}: the heads need the input {others[0].removeprefix(f'{MODEL}/')!r} besides "
            f"{' or '.join(map(repr, layout.image_nodes))}: correct models.{row.name}.heads.image in the registry."
        )
    _check_heads(result, row, source, anchors)
    return result


def _require_node(graph_def: GraphDef, name: str, key: str, source: Path) -> None:
    names = nodes_of(graph_def)
    if name not in names:
        raise UserError(
            f"{source} has no node {name!r}, which the registry names as {key}; {similar_names(name, names)}."
        )


@contextmanager
def _errors_of(source: Path, what: str) -> Iterator[None]:
    """TensorFlow's errors about a graph as a UserError."""
    import tensorflow as tf

    try:
        yield
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise UserError(f"{source} {what}: {str(error).strip().splitlines()[0]:.300}") from error


def _check_heads(heads: GraphDef, row: ModelRow, source: Path, anchors: int) -> None:
    """Run the heads once and look at what they give."""
    pixels = np.zeros((1, row.input_size, row.input_size, 3), np.uint8)
    with _errors_of(source, f"does not run at {row.input_size}x{row.input_size} pixels"):
        outputs = run_graph(heads, {f"{PIXELS}:0": pixels}, [f"{BOX_ENCODINGS}:0", f"{CLASS_SCORES}:0"])
    boxes, scores = (output.shape for output in outputs)
    if boxes[1:] != (anchors, 4):
        key, found = "box_encodings", f"{boxes} instead of [N, {anchors}, 4] (it has {anchors} anchors)"
    elif len(scores) != 3 or scores[1] != anchors:
        key, found = "class_scores", f"{scores} instead of [N, {anchors}, classes + 1]"
    else:
        check_classes(scores[2], row, source)
        return
    raise UserError(f"{source}: the node that the registry names as models.{row.name}.heads.{key} gives {found}.")


def check_classes(columns: int, row: ModelRow, source: Path) -> None:
    """Make sure that each column of the class scores has its COCO id.

    Raises:
        UserError: the row gives another number of ids, or none where the columns cannot be COCO's ids.
    """
    if row.class_ids and columns != len(row.class_ids):
        raise UserError(
            f"{source} scores {columns} classes (the background counts, where it has a column), and "
            f"models.{row.name}.class_ids has {len(row.class_ids)} ids: give one for each, 0 for the background."
        )
    if not row.class_ids and columns in _NOT_COCO:
        raise UserError(
            f"{source} scores {columns} classes, and COCO's ids are 1 to 90 with gaps, behind a background at 0: say "
            f"which class is which as models.{row.name}.class_ids."
        )


def anchors_of(graph_def: GraphDef, row: ModelRow, source: Path) -> Float32:
    """The anchors float32 [A, 4] ymin, xmin, ymax, xmax, normalised; `graph_def` is the uncut graph.

    Raises:
        UserError: the named node or file is missing or does not hold anchors.
    """
    layout = head_layout(row)
    if not layout.anchors:
        return read_anchors(row.anchors) if row.anchors else standard_anchors()
    key = f"models.{row.name}.heads.anchors"
    _require_node(graph_def, layout.anchors, key, source)
    with _errors_of(source, f"cannot compute the node {layout.anchors!r} ({key})"):
        value = _computed(graph_def, row, layout)
    anchors = np.asarray(value, np.float32)
    if anchors.ndim < 2 or anchors.shape[-1] != 4 or anchors.size != 4 * anchors.shape[-2]:
        raise UserError(f"{source}: the node {layout.anchors!r} ({key}) gives {anchors.shape} instead of [A, 4].")
    anchors = anchors.reshape(-1, 4)
    if not np.isfinite(anchors).all() or not (anchors[:, :2] < anchors[:, 2:]).all():
        raise UserError(f"{source}: the node {layout.anchors!r} ({key}) gives numbers that are not boxes.")
    return anchors


def _computed(graph_def: GraphDef, row: ModelRow, layout: HeadLayout) -> Any:
    """The value of the anchors' node for one image, whose content does not matter."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.zeros([1, row.input_size, row.input_size, 3])
        anchors = import_outputs(graph_def, layout.image_nodes, image, [layout.anchors], MODEL)[0]
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run(anchors)
