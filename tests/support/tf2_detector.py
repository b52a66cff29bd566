"""Detectors in the form of the TF2 detection zoo: SavedModels as its exporter writes them, in a tar.gz.

Names, order of operations, signature and outputs follow tensorflow/models, research/object_detection:
exporter_lib_v2.py (DetectionFromImageModule), meta_architectures/ssd_meta_arch.py (preprocess, postprocess),
anchor_generators/multiscale_grid_anchor_generator.py, builders/post_processing_builder.py. The network between them is
the caller's.
"""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.conversion.graphdef import nodes_of, producer, subgraph

SIZE = 64
CLASSES = 5
LEVELS = (3, 4, 5)
PER_CELL = 6

# Takes the normalised image [1, S, S, 3]; gives encodings [1, A, 4], logits [1, A, C + 1], anchors [A, 4].
Network = Callable[[Any], tuple[Any, Any, Any]]


def save_detector(folder: Path, network: Network, variables: list[Any], size: int, normalise_first: bool) -> Path:
    """Write a SavedModel. normalise_first: as later exporters do; those of July 2020 resized first."""
    import tensorflow as tf

    class DetectionFromImageModule(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.uint8)])  # type: ignore[untyped-decorator]
        def __call__(self, input_tensor: Any) -> dict[str, Any]:
            image = _preprocess(tf.cast(input_tensor, tf.float32), size, normalise_first)
            detections = _postprocess(*network(image))
            detections["detection_classes"] += 1.0
            return {key: tf.cast(value, tf.float32) for key, value in detections.items()}

    module = DetectionFromImageModule()
    module.weights = variables
    tf.saved_model.save(module, str(folder), signatures=module.__call__.get_concrete_function())
    return folder


def _preprocess(images: Any, size: int, normalise_first: bool) -> Any:
    import tensorflow as tf

    def normalised(values: Any) -> Any:
        return (2.0 / 255.0) * values - 1.0

    with tf.name_scope("Preprocessor"):
        values = normalised(images) if normalise_first else images
        resized = [
            tf.squeeze(tf.compat.v1.image.resize_images(tf.expand_dims(image, 0), [size, size]), 0)
            for image in tf.unstack(values)
        ]
        values = tf.stack(resized)
        return values if normalise_first else normalised(values)


def _postprocess(box_encodings: Any, class_predictions: Any, anchors: Any) -> dict[str, Any]:
    import tensorflow as tf

    with tf.name_scope("Postprocessor"):
        encodings = tf.identity(box_encodings, "raw_box_encodings")
        tiled = tf.tile(tf.expand_dims(anchors, 0), [1, 1, 1])
        boxes = _decode(tf.reshape(encodings, [-1, 4]), tf.reshape(tiled, [-1, 4]))
        boxes = tf.identity(tf.reshape(boxes, tf.stack([1, tf.shape(encodings)[1], 4])), "raw_box_locations")
        boxes = tf.expand_dims(boxes, axis=2)
        scaled = tf.divide(class_predictions, 1.0, name="scale_logits")
        with_background = tf.identity(tf.sigmoid(scaled, name="convert_scores"), "raw_box_scores")
        scores = tf.slice(with_background, [0, 0, 1], [-1, -1, -1])
        with tf.name_scope("BatchMultiClassNonMaxSuppression"):
            kept = tf.map_fn(
                lambda one: _suppress(*one),
                (tf.squeeze(boxes, 2), scores),
                fn_output_signature=(tf.float32, tf.float32, tf.float32, tf.int32, tf.int32),
            )
        return {
            "detection_boxes": kept[0],
            "detection_scores": kept[1],
            "detection_classes": kept[2],
            "detection_anchor_indices": kept[3],
            "detection_multiclass_scores": tf.gather(with_background, kept[3], batch_dims=1),
            "num_detections": tf.cast(kept[4], tf.float32),
            "raw_detection_boxes": tf.squeeze(boxes, axis=2),
            "raw_detection_scores": with_background,
        }


def _decode(encodings: Any, anchors: Any) -> Any:
    import tensorflow as tf

    with tf.name_scope("Decode"):
        size = anchors[:, 2:] - anchors[:, :2]
        centre = anchors[:, :2] + size / 2
        middle = encodings[:, :2] / 10.0 * size + centre
        half = tf.exp(encodings[:, 2:] / 5.0) * size / 2
        return tf.concat([middle - half, middle + half], axis=1)


def _suppress(boxes: Any, scores: Any) -> tuple[Any, Any, Any, Any, Any]:
    """100 boxes of one image, per class at IoU 0.6 and score 1e-8; padded with zeros."""
    import tensorflow as tf

    clipped = tf.clip_by_value(boxes, 0.0, 1.0)
    area = tf.reduce_prod(clipped[:, 2:] - clipped[:, :2], axis=1)
    indices, classes, values = [], [], []
    for number in range(scores.shape[-1]):
        column = tf.where(area > 0, scores[:, number], -1.0)
        chosen = tf.image.non_max_suppression(clipped, column, 100, 0.6, 1e-8)
        indices.append(chosen)
        classes.append(tf.fill(tf.shape(chosen), float(number)))
        values.append(tf.gather(column, chosen))
    order = tf.argsort(tf.concat(values, 0), direction="DESCENDING", stable=True)[:100]
    best, found, labels = (tf.gather(tf.concat(parts, 0), order) for parts in (indices, values, classes))
    count = tf.shape(order)[0]
    padding = [[0, 100 - count]]
    return (
        tf.ensure_shape(tf.pad(tf.gather(clipped, best), [*padding, [0, 0]]), [100, 4]),
        tf.ensure_shape(tf.pad(found, padding), [100]),
        tf.ensure_shape(tf.pad(labels, padding), [100]),
        tf.ensure_shape(tf.pad(best, padding), [100]),
        count,
    )


def fpn_anchors(image: Any, grids: list[Any]) -> Any:
    """Anchors [A, 4] as the multiscale generator computes them from the image: anchor scale 4, two octave scales."""
    import tensorflow as tf

    height, width = (float(side) for side in image.shape[1:3])
    layers = []
    for level, (rows, columns) in zip(LEVELS, grids, strict=True):
        stride = 2.0**level
        scales, ratios = np.meshgrid([1.0, 2**0.5], [1.0, 2.0, 0.5])
        heights = tf.constant((scales / np.sqrt(ratios) * stride * 4).reshape(-1), tf.float32)
        widths = tf.constant((scales * np.sqrt(ratios) * stride * 4).reshape(-1), tf.float32)
        y = tf.cast(tf.range(rows), tf.float32) * stride + (stride / 2 if height % stride == 0 else 0.0)
        x = tf.cast(tf.range(columns), tf.float32) * stride + (stride / 2 if width % stride == 0 else 0.0)
        y, x = (tf.reshape(values, [-1, 1]) for values in tf.meshgrid(y, x, indexing="ij"))
        corners = [y - heights / 2, x - widths / 2, y + heights / 2, x + widths / 2]
        layers.append(tf.reshape(tf.stack(corners, axis=2), [-1, 4]))
    return tf.concat(layers, 0) / tf.constant([height, width, height, width])


def fpn_detector(folder: Path, normalise_first: bool = False, seed: int = 1) -> Path:
    """A small FPN-lite: a backbone of three levels, a top-down path, and heads whose weights all levels share."""
    import tensorflow as tf

    rng = np.random.default_rng(seed)
    nn = tf.nn
    variables: list[Any] = []

    def variable(value: Any) -> Any:
        variables.append(tf.Variable(value.astype(np.float32), trainable=False))
        return variables[-1]

    def weights(*shape: int, gain: float = 1.0) -> Any:
        return variable(rng.normal(0, gain * np.sqrt(2 / np.prod(shape[:-1])), shape))

    stem = [(weights(3, 3, inner, 16), _norm(variable, rng)) for inner in (3, 16, 16)]
    levels = [(weights(3, 3, 16, 16), _norm(variable, rng)) for _ in LEVELS[1:]]
    lateral = [(weights(1, 1, 16, 16), variable(rng.uniform(0, 0.3, 16))) for _ in LEVELS]
    depthwise, pointwise = weights(3, 3, 16, 1, gain=3), weights(1, 1, 16, 16)
    tower_norms = [_norm(variable, rng) for _ in LEVELS]
    box = weights(3, 3, 16, PER_CELL * 4, gain=0.3), variable(np.zeros(PER_CELL * 4))
    score = weights(3, 3, 16, PER_CELL * (CLASSES + 1), gain=2), variable(np.full(PER_CELL * (CLASSES + 1), -4.6))

    def convolved(values: Any, kernel: Any, norm: Any, stride: int) -> Any:
        return nn.relu6(_normed(nn.conv2d(values, kernel, stride, "SAME"), norm))

    def network(image: Any) -> tuple[Any, Any, Any]:
        x = image
        for kernel, norm in stem:
            x = convolved(x, kernel, norm, 2)
        features = [x]
        for kernel, norm in levels:
            features.append(convolved(features[-1], kernel, norm, 2))
        merged = [nn.bias_add(nn.conv2d(f, k, 1, "SAME"), b) for f, (k, b) in zip(features, lateral, strict=True)]
        for index in reversed(range(len(merged) - 1)):
            merged[index] = merged[index] + _doubled(merged[index + 1])
        boxes, logits = [], []
        for values, norm in zip(merged, tower_norms, strict=True):
            deep = nn.depthwise_conv2d(values, depthwise, [1, 1, 1, 1], "SAME")
            deep = nn.relu6(_normed(nn.conv2d(deep, pointwise, 1, "SAME"), norm))
            of_box = nn.bias_add(nn.conv2d(deep, box[0], 1, "SAME"), box[1])
            of_class = nn.bias_add(nn.conv2d(deep, score[0], 1, "SAME"), score[1])
            boxes.append(tf.reshape(of_box, [1, -1, 4]))
            logits.append(tf.reshape(of_class, [1, -1, CLASSES + 1]))
        grids = [(values.shape[1], values.shape[2]) for values in merged]
        return tf.concat(boxes, 1), tf.concat(logits, 1), fpn_anchors(image, grids)

    return save_detector(folder, network, variables, SIZE, normalise_first)


def _norm(variable: Callable[[Any], Any], rng: np.random.Generator) -> list[Any]:
    return [variable(rng.uniform(low, high, 16)) for low, high in ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5))]


def _normed(values: Any, norm: list[Any]) -> Any:
    import tensorflow as tf

    scale, offset, mean, variance = norm
    return tf.compat.v1.nn.fused_batch_norm(values, scale, offset, mean, variance, epsilon=0.001, is_training=False)[0]


def _doubled(values: Any) -> Any:
    """Nearest-neighbour upsampling as object_detection/utils/ops.py does it: stacks and a reshape."""
    import tensorflow as tf

    batch, height, width, channels = values.shape
    doubled = tf.stack([tf.stack([values] * 2, axis=3)] * 2, axis=2)
    return tf.reshape(doubled, [batch, height * 2, width * 2, channels])


def detector_of(heads: Any, anchors: np.ndarray, folder: Path, size: int = 300) -> Path:
    """The exporter's SavedModel around an artifact's heads (a GraphDef with the nodes `image`, `box_encodings`...)."""
    import tensorflow as tf

    nodes = nodes_of(heads)
    large = {
        node.name: tf.Variable(tf.make_ndarray(node.attr["value"].tensor), trainable=False)
        for node in heads.node
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
    }
    sigmoid = nodes["class_scores"]
    while sigmoid.op != "Sigmoid":
        sigmoid = nodes[producer(sigmoid.input[0])]

    def network(image: Any) -> tuple[Any, Any, Any]:
        part = subgraph(heads, ["box_encodings", producer(sigmoid.input[0])], ["image"])
        used = {node.name for node in part.node}
        values = {f"{name}:0": variable.read_value() for name, variable in large.items() if name in used}
        encodings, logits = tf.import_graph_def(
            subgraph(heads, ["box_encodings", producer(sigmoid.input[0])], ["image", *large]),
            input_map={"image:0": image, **values},
            return_elements=[
                "box_encodings:0",
                sigmoid.input[0] if ":" in sigmoid.input[0] else f"{sigmoid.input[0]}:0",
            ],
            name="network",
        )
        return encodings, logits, tf.constant(anchors)

    return save_detector(folder, network, list(large.values()), size, normalise_first=False)


def write_targz(path: Path, saved_model: Path, name: str) -> Path:
    """`<name>/saved_model/...`, a checkpoint and a pipeline.config beside it, as the zoo packs them."""
    with gzip.GzipFile(path, "wb", mtime=0, compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(saved_model, f"{name}/saved_model")
        for member in ("checkpoint/ckpt-0.index", "pipeline.config"):
            tar.addfile(tarfile.TarInfo(f"{name}/{member}"))
    return path
