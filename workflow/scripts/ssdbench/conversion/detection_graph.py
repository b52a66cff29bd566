"""Finished detections in one graph: resize, heads, decode and non-maximum suppression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ssdbench.arrays import Float32
from ssdbench.catalog.registry import ModelRow
from ssdbench.conversion.cut_heads import BOX_ENCODINGS, CLASS_SCORES, IMAGE
from ssdbench.conversion.find_nodes import head_layout
from ssdbench.conversion.graphdef import import_outputs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

IMAGE_TENSOR = "image_tensor"
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")


def detection_graph(heads: GraphDef, anchors: Float32, row: ModelRow) -> GraphDef:
    """A graph with the contract of the TF1 detection zoo's frozen graphs.

    Input: `image_tensor` uint8 RGB [N, H, W, 3] of any size, resized as TensorFlow 1 did (legacy
    ResizeBilinear). Outputs, all float32: `detection_boxes` [N, K, 4] ymin xmin ymax xmax, normalised and
    clipped; `detection_scores` and `detection_classes` [N, K] (COCO ids, from 1); `num_detections` [N]. K and
    the thresholds are those of `row.graph_nms`.
    """
    import tensorflow as tf

    layout, nms, size = head_layout(row), row.graph_nms, row.size
    with tf.Graph().as_default() as graph:
        image_tensor = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], IMAGE_TENSOR)
        resized = tf.raw_ops.ResizeBilinear(
            images=tf.cast(image_tensor, tf.float32),
            size=list(size),
            align_corners=False,
            half_pixel_centers=False,
        )
        image = resized * layout.scale + layout.offset
        encodings, scores = import_outputs(heads, IMAGE, image, [BOX_ENCODINGS, CLASS_SCORES])
        boxes = tf.clip_by_value(_decode(encodings, anchors, layout.box_coder), 0.0, 1.0)
        height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
        inside = tf.cast(height * width > 0, tf.float32)  # a box outside the image is no detection
        found = tf.image.combined_non_max_suppression(
            boxes[:, :, tf.newaxis],
            scores[..., 1:] * inside[..., tf.newaxis],
            max_output_size_per_class=nms.max,
            max_total_size=nms.max,
            iou_threshold=nms.iou,
            score_threshold=nms.score,
            clip_boxes=False,
        )
        values = (found[0], found[1], found[2] + 1.0, tf.cast(found[3], tf.float32))
        for name, value in zip(OUTPUTS, values, strict=True):
            tf.identity(value, name)
        result: GraphDef = graph.as_graph_def()
    return result


def _decode(encodings: Any, anchors: Float32, box_coder: tuple[float, float, float, float]) -> Any:
    """Corners [N, A, 4] of encodings ty tx th tw (arXiv:1506.01497, section 3.1.2), as TensorFlow ops."""
    import tensorflow as tf

    centre, size = centres_and_sizes(anchors)
    moved = encodings / np.asarray(box_coder, np.float32)
    new_centre = moved[..., :2] * size + centre
    half = tf.exp(moved[..., 2:]) * (size / 2)
    return tf.concat([new_centre - half, new_centre + half], axis=-1)


def centres_and_sizes(anchors: Float32) -> tuple[Float32, Float32]:
    """Centres y x and sizes h w, float32 [A, 2] each, of anchors [A, 4] ymin xmin ymax xmax."""
    size: Float32 = anchors[:, 2:] - anchors[:, :2]
    centre: Float32 = anchors[:, :2] + size / np.float32(2)
    return centre, size
