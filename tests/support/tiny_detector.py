"""A detector of a few layers with the node names and the habits of the TF1 detection zoo's graphs.

Its weights are random but fixed. It has what the real graphs have and what converters stumble over: a resize in a
while loop of TensorFlow 1's control flow, batch normalisation, a scale and a shift after a depthwise
convolution, a bias added after a residual, reshapes whose batch is read at run time, computed anchors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.catalog.registry import GraphNms, HeadLayout, ModelRow, Source

SIZE = 32
CLASSES = 5
GRIDS = (8, 4)
PER_CELL = 2
ANCHORS = PER_CELL * sum(cells * cells for cells in GRIDS)

ROW = ModelRow(
    name="tiny",
    title="tiny detector",
    source=Source("local"),
    format="frozen_graph",
    licence="Apache-2.0",
    trained_on="nothing",
    input_size=SIZE,
    heads=HeadLayout(
        image="Preprocessor/sub",
        box_encodings="Squeeze",
        class_scores="Postprocessor/convert_scores",
        anchors="Postprocessor/ExpandDims",
    ),
    graph_nms=GraphNms(),
)


def images(count: int, size: int = SIZE, seed: int = 0) -> list[np.ndarray]:
    """Coarse coloured patterns, uint8 [size, size, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, size // 8, size // 8, 3), dtype=np.uint8)
    return list(coarse.repeat(8, axis=1).repeat(8, axis=2))


def tiny_graph_def(seed: int = 1, normalise_first: bool = False, scope: str = "") -> Any:
    """The detector as a GraphDef: `image_tensor` in, heads and anchors under the zoo's names.

    normalise_first: as the exporter of 2022 does, whose loop then gives the normalised image. scope: stands before
    every name, so that none is the zoo's.
    """
    import tensorflow as tf

    tf.compat.v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph, tf.compat.v1.name_scope(scope):
            _build(np.random.default_rng(seed), normalise_first)
            return graph.as_graph_def()
    finally:
        tf.compat.v1.enable_control_flow_v2()


def tiny_heads() -> Any:
    """The detector cut at its heads and folded, as conversions make it."""
    from ssdbench.conversion.cut_heads import BOX_ENCODINGS, CLASS_SCORES, anchors_of, cut_heads
    from ssdbench.conversion.find_nodes import find_nodes
    from ssdbench.conversion.folding import fold

    graph_def = tiny_graph_def()
    nodes = find_nodes(graph_def, ROW, "tiny")
    anchors = anchors_of(graph_def, nodes, ROW, "tiny")
    return fold(cut_heads(graph_def, nodes, ROW, "tiny", len(anchors)), [BOX_ENCODINGS, CLASS_SCORES])


def _build(rng: np.random.Generator, normalise_first: bool) -> None:
    import tensorflow as tf

    nn = tf.compat.v1.nn
    image_tensor = tf.compat.v1.placeholder(tf.uint8, [None, None, None, 3], "image_tensor")
    floats = tf.cast(image_tensor, tf.float32, name="ToFloat")

    def normalised(values: Any) -> Any:
        return tf.subtract(tf.multiply(2.0 / 255.0, values, "mul"), 1.0, "sub")

    with tf.compat.v1.name_scope("Preprocessor"):
        resized = tf.compat.v1.map_fn(
            lambda image: tf.compat.v1.image.resize_bilinear(image[tf.newaxis], [SIZE, SIZE])[0],
            normalised(floats) if normalise_first else floats,
        )
        image = resized if normalise_first else normalised(resized)

    def weights(*shape: int, gain: float = 1.0) -> Any:
        return tf.constant(rng.normal(0, gain * np.sqrt(2 / np.prod(shape[:-1])), shape), tf.float32)

    def channels(low: float, high: float, count: int = 16) -> Any:
        return tf.constant(rng.uniform(low, high, count), tf.float32)

    with tf.compat.v1.name_scope("FeatureExtractor"):
        x = nn.conv2d(image, weights(3, 3, 3, 16), strides=2, padding="SAME")
        x = nn.fused_batch_norm(
            x, channels(0.5, 1.5), channels(-0.5, 0.5), channels(-0.5, 0.5), channels(0.5, 1.5), is_training=False
        )[0]
        x = tf.nn.relu6(x)
        deep = nn.depthwise_conv2d_native(x, weights(3, 3, 16, 1, gain=3), [1, 1, 1, 1], "SAME")
        deep = tf.nn.relu6(tf.add(tf.multiply(deep, channels(0.5, 1.5)), channels(0.0, 0.5)))
        deep = nn.conv2d(deep, weights(1, 1, 16, 16), strides=1, padding="SAME")
        # Grappler's AddOpsRewrite leaves a bias in this order.
        x = tf.add(channels(-0.5, 0.5), tf.add_n([deep, x]))
        x = nn.conv2d(x, weights(3, 3, 16, 16), strides=2, padding="SAME")
        first = tf.nn.relu6(tf.nn.bias_add(x, channels(0.0, 0.5)))
        second = tf.nn.relu6(nn.conv2d(first, weights(3, 3, 16, 16), strides=2, padding="SAME"))

    boxes, scores = [], []
    for index, (features, cells) in enumerate(zip((first, second), GRIDS, strict=True)):
        with tf.compat.v1.name_scope(f"BoxPredictor_{index}"):
            batch = tf.shape(features)[0]
            count = cells * cells * PER_CELL
            box = nn.conv2d(features, weights(1, 1, 16, PER_CELL * 4, gain=0.3), strides=1, padding="SAME")
            score = nn.conv2d(features, weights(1, 1, 16, PER_CELL * (CLASSES + 1), gain=2), strides=1, padding="SAME")
            score = tf.nn.bias_add(score, tf.constant(-8.0, shape=[PER_CELL * (CLASSES + 1)]))
            boxes.append(tf.reshape(box, tf.stack([batch, count, 1, 4])))
            scores.append(tf.reshape(score, tf.stack([batch, count, CLASSES + 1])))
    encodings = tf.squeeze(tf.concat(boxes, 1, name="concat"), axis=[2], name="Squeeze")
    with tf.compat.v1.name_scope("Postprocessor"):
        tf.sigmoid(tf.concat(scores, 1), name="convert_scores")
        anchors = tf.expand_dims(tf.constant(tiny_anchors()), 0, name="ExpandDims")
        centre, size = (anchors[..., :2] + anchors[..., 2:]) / 2, anchors[..., 2:] - anchors[..., :2]
        middle = encodings[..., :2] / 10 * size + centre
        half = tf.exp(encodings[..., 2:] / 5) * size / 2
        tf.expand_dims(tf.concat([middle - half, middle + half], -1), 2, name="ExpandDims_1")


def tiny_anchors() -> np.ndarray:
    """The anchors float32 [ANCHORS, 4], ymin xmin ymax xmax."""
    layers = []
    for cells in GRIDS:
        row, column = (np.mgrid[:cells, :cells].reshape(2, -1, 1) + 0.5) / cells
        half = np.array([[0.8, 0.5], [0.5, 0.8]]) / cells
        corners = [row - half[:, 0], column - half[:, 1], row + half[:, 0], column + half[:, 1]]
        layers.append(np.stack(corners, axis=-1).reshape(-1, 4))
    return np.concatenate(layers).astype(np.float32)


def write_tfjs(graph_def: Any, folder: Path, shards: int = 3) -> Path:
    """The GraphDef as a TensorFlow.js graph model, strings as lists of bytes; returns its model.json."""
    import tensorflow as tf
    from google.protobuf import json_format

    topology = tf.compat.v1.GraphDef()
    topology.CopyFrom(graph_def)
    entries, data = [], b""
    for node in topology.node:
        if node.op == "Const":
            value = tf.make_ndarray(node.attr["value"].tensor)
            entries.append({"name": node.name, "shape": list(value.shape), "dtype": value.dtype.name})
            data += value.tobytes()
            node.attr["value"].tensor.Clear()
    document = json_format.MessageToDict(topology)
    for node in document["node"]:
        for value in node.get("attr", {}).values():
            if "s" in value:
                value["s"] = list(tf.compat.as_bytes(_decoded(value["s"])))
    cut = -(-len(data) // shards)
    names = [f"group1-shard{index + 1}of{shards}" for index in range(shards)]
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        (folder / name).write_bytes(data[index * cut : (index + 1) * cut])
    manifest = [{"paths": names, "weights": entries}]
    path = folder / "model.json"
    path.write_text(json.dumps({"modelTopology": document, "weightsManifest": manifest}))
    return path


def write_frozen_graph(folder: Path) -> Path:
    """Write the detector as a frozen graph, as it is made, without suppression."""
    path = folder / "frozen_inference_graph.pb"
    path.write_bytes(tiny_graph_def().SerializeToString())
    return path


def _decoded(text: str) -> bytes:
    import base64

    return base64.b64decode(text)
