"""Cut a detector's GraphDef at its heads, and read its anchors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdbench.arrays import Float32
from ssdbench.boxes.anchors import read_anchors, standard_anchors
from ssdbench.catalog.registry import ModelRow
from ssdbench.conversion.find_nodes import CutNodes, are_boxes, head_layout
from ssdbench.conversion.folding import free_batch
from ssdbench.conversion.graphdef import import_outputs, run_graph, subgraph
from ssdbench.errors import UserError

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_LOG = logging.getLogger(__name__)

PIXELS = "pixels"
IMAGE = "image"
BOX_ENCODINGS = "box_encodings"
CLASS_SCORES = "class_scores"
# Columns of COCO's 80 classes without their gaps, with and without background, and of its 90 without background.
_NOT_COCO = (80, 81, 90)
_FLOAT32, _UINT8 = 1, 4  # DataType of tensorflow/core/framework/types.proto
_SAME_IMAGE = 1e-3  # of the range of its values
MODEL = "model"  # the scope of the nodes that are the published model's own


def cut_heads(graph_def: GraphDef, nodes: CutNodes, row: ModelRow, source: Path, anchors: int) -> GraphDef:
    """The part of a detector between its normalised image and its heads, with our own input.

    `source` is the file that `graph_def` came from, for messages; `anchors` is their number A. The result has
    the input `pixels` uint8 RGB [N, S, S, 3], the node `image` float32 = pixels * scale + offset, and the
    outputs `box_encodings` float32 [N, A, 4] and `class_scores` float32 [N, A, C + 1].

    Raises:
        UserError: a node does not give what the registry says.
    """
    import tensorflow as tf

    layout = head_layout(row)
    _check_image(graph_def, nodes, row, source)
    shape = [None, *row.size, 3]
    with tf.Graph().as_default() as graph, _errors_of(source, "cannot be cut at its heads"):
        pixels = tf.compat.v1.placeholder(tf.uint8, shape, PIXELS)
        image = tf.add(tf.cast(pixels, tf.float32) * layout.scale, layout.offset, name=IMAGE)
        names = [nodes.box_encodings, nodes.class_scores]
        boxes, scores = import_outputs(graph_def, nodes.image, image, names, MODEL)
        if boxes.shape.rank == 4:
            boxes = tf.squeeze(boxes, axis=2)
        tf.identity(boxes, BOX_ENCODINGS)
        tf.identity(scores, CLASS_SCORES)
        result: GraphDef = free_batch(graph.as_graph_def(), PIXELS)
    others = [node.name for node in result.node if node.op.startswith("Placeholder") and node.name != PIXELS]
    if others:
        raise UserError(
            f"{source}: the heads need the input {others[0].removeprefix(f'{MODEL}/')!r} besides "
            f"{' or '.join(map(repr, nodes.image))}: correct models.{row.name}.heads.image in the registry."
        )
    _check_heads(result, nodes, row, source, anchors)
    return result


@contextmanager
def _errors_of(source: Path, what: str) -> Iterator[None]:
    """TensorFlow's errors about a graph as a UserError."""
    import tensorflow as tf

    try:
        yield
    except (ValueError, TypeError, tf.errors.OpError) as error:
        _LOG.info("TensorFlow's whole error:", exc_info=error)
        raise UserError(f"{source} {what}: {str(error).strip().splitlines()[0]:.300}") from error


def _check_image(graph_def: GraphDef, nodes: CutNodes, row: ModelRow, source: Path) -> None:
    """Does the source's own preprocessing make of pixels what the registry says?

    At the model's own size its resize changes nothing. Where the image is the input itself there is nothing to look at.

    Raises:
        UserError: it makes another size or other values: heads fed by the registry's words would give wrong numbers.
    """
    layout, (high, wide) = head_layout(row), row.size
    part = subgraph(graph_def, nodes.image[:1])
    inputs = [node for node in part.node if node.op == "Placeholder"]
    if len(inputs) != 1 or inputs[0].name in nodes.image:
        return
    dtype = {_UINT8: np.uint8, _FLOAT32: np.float32}.get(inputs[0].attr["dtype"].type)
    if dtype is None:
        return
    pixels = np.random.default_rng(0).integers(0, 256, (1, high, wide, 3)).astype(dtype)
    with _errors_of(source, f"cannot compute the node {nodes.image[0]!r} of an image of {high}x{wide} pixels"):
        (image,) = run_graph(part, {f"{inputs[0].name}:0": pixels}, [f"{nodes.image[0]}:0"])
    if image.shape != pixels.shape:
        height, width = image.shape[1:3] if image.ndim == 4 else ("?", "?")
        raise UserError(
            f"{source} resizes images to {height}x{width} before the node {nodes.image[0]!r}, and the registry says "
            f"{high}x{wide}: correct models.{row.name}.input_size or models.{row.name}.heads.image."
        )
    wanted = pixels.astype(np.float64) * layout.scale + layout.offset
    if np.abs(image - wanted).max() > _SAME_IMAGE * 255 * abs(layout.scale):
        scale, offset = np.polyfit(pixels.ravel().astype(np.float64), image.ravel().astype(np.float64), 1)
        is_line = np.abs(image - (pixels * scale + offset)).max() <= _SAME_IMAGE * 255 * abs(scale)
        found = f"pixel * {scale:.6g} + {offset:.6g}" if is_line else "something else than pixel * scale + offset"
        cure = (
            f"give scale: {scale:.6g} and offset: {offset:.6g} there" if is_line else "give another node as its image"
        )
        raise UserError(
            f"{source}: its node {nodes.image[0]!r} holds {found}, and models.{row.name}.heads in the registry says "
            f"pixel * {layout.scale:.6g} + {layout.offset:.6g}: {cure}."
        )


def _check_heads(heads: GraphDef, nodes: CutNodes, row: ModelRow, source: Path, anchors: int) -> None:
    """Run the heads once and look at what they give."""
    pixels = np.zeros((1, *row.size, 3), np.uint8)
    with _errors_of(source, f"does not run at {row.size[0]}x{row.size[1]} pixels"):
        outputs = run_graph(heads, {f"{PIXELS}:0": pixels}, [f"{BOX_ENCODINGS}:0", f"{CLASS_SCORES}:0"])
    boxes, scores = (output.shape for output in outputs)
    if boxes[1:] != (anchors, 4):
        key, found = "box_encodings", f"{boxes} instead of [N, {anchors}, 4] (it has {anchors} anchors)"
    elif len(scores) != 3 or scores[1] != anchors:
        key, found = "class_scores", f"{scores} instead of [N, {anchors}, classes + 1]"
    else:
        check_classes(scores[2], row, source)
        return
    name = getattr(nodes, key)
    raise UserError(f"{source}: the node {name!r} (models.{row.name}.heads.{key} in the registry) gives {found}.")


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


def anchors_of(graph_def: GraphDef, nodes: CutNodes, row: ModelRow, source: Path) -> Float32:
    """The anchors float32 [A, 4] ymin, xmin, ymax, xmax, normalised; `graph_def` is the uncut graph.

    Raises:
        UserError: the node or file does not hold anchors.
    """
    if not nodes.anchors:
        return read_anchors(row.anchors) if row.anchors else standard_anchors()
    node = f"the node {nodes.anchors!r} (models.{row.name}.heads.anchors)"
    with _errors_of(source, f"cannot compute {node}"):
        value = _computed(graph_def, nodes, row)
    anchors = np.asarray(value, np.float32)
    if anchors.ndim < 2 or anchors.shape[-1] != 4 or anchors.size != 4 * anchors.shape[-2]:
        raise UserError(f"{source}: {node} gives {anchors.shape} instead of [A, 4].")
    if not are_boxes(anchors):
        raise UserError(f"{source}: {node} gives numbers that are not boxes.")
    return anchors.reshape(-1, 4)


def _computed(graph_def: GraphDef, nodes: CutNodes, row: ModelRow) -> Any:
    """The value of the anchors' node for one image, whose content does not matter."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        image = tf.zeros([1, *row.size, 3])
        anchors = import_outputs(graph_def, nodes.image, image, [nodes.anchors], MODEL)[0]
        with tf.compat.v1.Session(graph=graph) as session:
            return session.run(anchors)
