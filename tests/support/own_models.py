"""Detectors as users bring them: the default weights behind another input, other anchors, other classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.boxes.anchors import standard_anchors
from ssdbench.conversion.graphdef import import_outputs

# COCO's ids have gaps: its 80 classes in order.
COCO80 = [*range(1, 12), *range(13, 26), 27, 28, *range(31, 45), *range(46, 66), 67, 70, *range(72, 83), *range(84, 91)]
# More anchors than the weights have, in another order; those that are too many never score.
FILLING = 83


def order() -> np.ndarray:
    """The anchors' new order, int64 [1917]."""
    return np.random.default_rng(5).permutation(1917)


def write_anchors(path: Path) -> None:
    """The anchors float32 [2000, 4] of `own_heads`, as .npy."""
    filling = np.tile(np.array([[0.4, 0.4, 0.6, 0.6]], np.float32), (FILLING, 1))
    np.save(path, np.concatenate([standard_anchors()[order()], filling]))


def own_heads(graph_def: Any, image: Any) -> tuple[Any, Any]:
    """Encodings [1, 2000, 4] and scores [1, 2000, 80], without background, of a normalised image [1, 300, 300, 3]."""
    import tensorflow as tf

    encodings, scores = import_outputs(graph_def, "image", image, ["box_encodings", "class_scores"])
    encodings, scores = tf.gather(encodings, order(), axis=1), tf.gather(scores, order(), axis=1)
    scores = tf.gather(scores, COCO80, axis=2)
    return tuple(tf.pad(values, [[0, 0], [0, FILLING], [0, 0]]) for values in (encodings, scores))


def write_onnx(graph_def: Any, path: Path) -> None:
    """Heads in ONNX: a float input [1, 3, 320, 320] from 0 to 1, resized inside to what the weights take."""
    import tensorflow as tf
    import tf2onnx

    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [1, 3, 320, 320], "images")
        resized = tf.compat.v1.image.resize_bilinear(tf.transpose(images, [0, 2, 3, 1]), [300, 300])
        encodings, scores = own_heads(graph_def, resized * 2.0 - 1.0)
        tf.identity(encodings, "locations")
        tf.identity(scores, "confidences")
        whole = graph.as_graph_def()
    model, _ = tf2onnx.convert.from_graph_def(
        whole, input_names=["images:0"], output_names=["locations:0", "confidences:0"], opset=17
    )
    path.write_bytes(model.SerializeToString())
