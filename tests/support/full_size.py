"""SSD MobileNet v2 at its full size: the structure of the TF1 zoo's ssd_mobilenet_v2_coco, with random weights.

About 67 MB of weights, most of them in the box predictors' plain 3x3 convolutions (SSDLite has separable ones). It is
there for what size decides: memory and time of a conversion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ssdbench.boxes.anchors import standard_anchors

SIZE = 300
CLASSES = 90
# arXiv:1801.04381, table 2: expansion, channels, repeats, stride.
_BLOCKS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
# Channels of the layers behind the backbone, as feature_map_generators.py of the Object Detection API makes them.
_EXTRA = (512, 256, 256, 128)
_PER_CELL = (3, 6, 6, 6, 6, 6)


def full_size_graph_def(seed: int = 1) -> Any:
    """The detector as a GraphDef under the zoo's node names: `image_tensor` in, decoded boxes and scores out."""
    import tensorflow as tf

    tf.compat.v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            _Builder(np.random.default_rng(seed)).build()
            return graph.as_graph_def()
    finally:
        tf.compat.v1.enable_control_flow_v2()


class _Builder:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def _weights(self, *shape: int, gain: float = 1.0) -> Any:
        import tensorflow as tf

        fan = int(np.prod(shape[:2])) if shape[3] == 1 else int(np.prod(shape[:3]))
        return tf.constant(self._rng.normal(0, gain * np.sqrt(2 / fan), shape).astype(np.float32))

    def _normed(self, values: Any, relu: bool = True) -> Any:
        import tensorflow as tf

        count = values.shape[-1]
        scale, offset, mean, variance = (
            tf.constant(self._rng.uniform(low, high, count), tf.float32)
            for low, high in ((0.8, 1.2), (-0.1, 0.1), (-0.1, 0.1), (0.8, 1.2))
        )
        normed = tf.compat.v1.nn.fused_batch_norm(
            values, scale, offset, mean, variance, epsilon=0.001, is_training=False
        )[0]
        return tf.nn.relu6(normed) if relu else normed

    def _conv(self, values: Any, channels: int, kernel: int, stride: int, relu: bool = True) -> Any:
        import tensorflow as tf

        weights = self._weights(kernel, kernel, values.shape[-1], channels)
        return self._normed(tf.compat.v1.nn.conv2d(values, weights, strides=stride, padding="SAME"), relu)

    def _block(self, values: Any, expansion: int, channels: int, stride: int) -> tuple[Any, Any]:
        """Output and expanded input of an inverted residual."""
        import tensorflow as tf

        inner = self._conv(values, values.shape[-1] * expansion, 1, 1) if expansion > 1 else values
        depthwise = self._weights(3, 3, inner.shape[-1], 1)
        deep = tf.compat.v1.nn.depthwise_conv2d_native(inner, depthwise, [1, stride, stride, 1], "SAME")
        found = self._conv(self._normed(deep), channels, 1, 1, relu=False)
        is_residual = stride == 1 and values.shape[-1] == channels
        return (found + values if is_residual else found), inner

    def _features(self, image: Any) -> list[Any]:
        import tensorflow as tf

        with tf.compat.v1.name_scope("FeatureExtractor"):
            x = self._conv(image, 32, 3, 2)
            layers: list[Any] = []
            for expansion, channels, repeats, stride in _BLOCKS:
                for index in range(repeats):
                    x, inner = self._block(x, expansion, channels, stride if index == 0 else 1)
                    if channels == 160 and index == 0:
                        layers.append(inner)
            layers.append(self._conv(x, 1280, 1, 1))
            for channels in _EXTRA:
                layers.append(self._conv(self._conv(layers[-1], channels // 2, 1, 1), channels, 3, 2))
        return layers

    def build(self) -> None:
        import tensorflow as tf

        image_tensor = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], "image_tensor")
        floats = tf.cast(image_tensor, tf.float32, name="ToFloat")
        with tf.compat.v1.name_scope("Preprocessor"):
            resize: Callable[[Any], Any] = lambda one: tf.compat.v1.image.resize_bilinear(one[None], [SIZE, SIZE])[0]  # noqa: E731
            image = tf.subtract(tf.multiply(2.0 / 255.0, tf.compat.v1.map_fn(resize, floats), "mul"), 1.0, "sub")
            image = tf.ensure_shape(image, [None, SIZE, SIZE, 3])
        boxes, scores = [], []
        for index, (layer, per_cell) in enumerate(zip(self._features(image), _PER_CELL, strict=True)):
            with tf.compat.v1.name_scope(f"BoxPredictor_{index}"):
                count = layer.shape[1] * layer.shape[2] * per_cell
                for width, found in ((4, boxes), (CLASSES + 1, scores)):
                    weights = self._weights(3, 3, layer.shape[-1], per_cell * width, gain=0.3)
                    values = tf.compat.v1.nn.conv2d(layer, weights, strides=1, padding="SAME")
                    bias = tf.constant(0.0 if width == 4 else -3.0, shape=[per_cell * width])
                    shape = [count, 1, 4] if width == 4 else [count, width]
                    stack = tf.stack([tf.shape(layer)[0], *shape])
                    found.append(tf.reshape(tf.nn.bias_add(values, bias), stack))
        encodings = tf.squeeze(tf.concat(boxes, 1, name="concat"), axis=[2], name="Squeeze")
        with tf.compat.v1.name_scope("Postprocessor"):
            tf.sigmoid(tf.concat(scores, 1), name="convert_scores")
            anchors = tf.expand_dims(tf.constant(standard_anchors()), 0, name="ExpandDims")
            centre, size = (anchors[..., :2] + anchors[..., 2:]) / 2, anchors[..., 2:] - anchors[..., :2]
            middle = encodings[..., :2] / 10 * size + centre
            half = tf.exp(encodings[..., 2:] / 5) * size / 2
            tf.expand_dims(tf.concat([middle - half, middle + half], -1), 2, name="ExpandDims_1")
