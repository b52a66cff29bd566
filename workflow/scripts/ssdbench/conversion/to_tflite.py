"""TensorFlow Lite files. The same input gives the same bytes (seen with TensorFlow 2.21)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdbench.arrays import Float32, UInt8
from ssdbench.catalog.registry import HeadLayout, ModelRow
from ssdbench.conversion.cut_heads import BOX_ENCODINGS, CLASS_SCORES, IMAGE, PIXELS
from ssdbench.conversion.detection_graph import centres_and_sizes
from ssdbench.conversion.find_nodes import head_layout
from ssdbench.conversion.graphdef import import_outputs

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

Outputs = dict[str, Any]
# What follows the heads: their encodings and scores become the outputs of the file.
Ending = Callable[[Any, Any], Outputs]


@dataclass(frozen=True)
class TfliteFile:
    """A TFLite file, and of int8 the network in floats with the ranges of its activations; else empty."""

    data: bytes
    calibrated: bytes = b""


def convert_tflite(
    heads: GraphDef, ending: Ending, row: ModelRow, precision: str, pixels: Sequence[UInt8]
) -> TfliteFile:
    """A TFLite file that takes uint8 RGB pixels [1, S, S, 3] and gives what `ending` makes of the heads.

    fp16 stores the weights in half precision. int8_dynamic stores them in 8 bits and takes the ranges of activations
    anew for each image. int8: operators and weights are full-integer, calibrated on
    `pixels` (RGB [S, S, 3] each), and the quantisation of the input means the normalised image within half a
    grey level; outputs are float32 always.
    """
    import tensorflow as tf

    layout, size = head_layout(row), row.size
    integer = precision in ("int8", "int8_mixed")
    name, dtype = (IMAGE, tf.float32) if integer else (PIXELS, tf.uint8)

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([1, *size, 3], dtype, name)])  # type: ignore[untyped-decorator]
    def network(tensor: Any) -> Outputs:
        return ending(*import_outputs(heads, name, tensor, [BOX_ENCODINGS, CLASS_SCORES]))

    # Only on the way over a SavedModel does the converter keep the call that stands for a custom operator.
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(tf.Module(), folder, signatures=network.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.allow_custom_ops = True
        if precision != "fp32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "fp16":
            converter.target_spec.supported_types = [tf.float16]
        if integer:
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.representative_dataset = lambda: normalised_images(pixels, layout)
            calibrated = _keep_calibrated(converter)
            return TfliteFile(converter.convert(), calibrated[0])
        return TfliteFile(converter.convert())


def mixed_file(calibrated: bytes, in_floats: Sequence[str]) -> bytes:
    """An int8 file of a calibrated network with some layers left in floats: names of the tensors that they make."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    data: bytes = mlir_quantize(
        calibrated, input_data_type=tf.uint8, output_data_type=tf.float32, denylisted_nodes=list(in_floats)
    )
    return data


def _keep_calibrated(converter: Any) -> list[bytes]:
    """A list that gets the calibrated network when the converter has made it.

    The converter quantises it at once and lets it go. To find the ranges a second time would double the time of a
    conversion. TensorFlow's QuantizationDebugger takes the same two steps.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    kept: list[bytes] = []
    calibrate = converter._quantize

    def quantize(model: Any, input_type: Any, output_type: Any, *others: Any) -> Any:
        converter._experimental_calibrate_only = True
        kept.append(calibrate(model, input_type, output_type, *others))
        return mlir_quantize(kept[0], input_data_type=input_type, output_data_type=output_type)

    converter._quantize = quantize
    return kept


def normalised_images(pixels: Sequence[UInt8], layout: HeadLayout) -> Iterator[list[Float32]]:
    """Normalised images; the first gets one black and one white pixel, so that the input's range is the
    whole grey scale whatever the images hold."""
    for index, image in enumerate(pixels):
        values = image.astype(np.float32) * np.float32(layout.scale) + np.float32(layout.offset)
        if index == 0:
            values[0, :2] = [[layout.offset], [255 * layout.scale + layout.offset]]
        yield [values[np.newaxis]]


def heads_alone(encodings: Any, scores: Any) -> Outputs:
    """The ending of `heads` files: the heads under their names."""
    return {BOX_ENCODINGS: encodings, CLASS_SCORES: scores}


def detection_ending(anchors: Float32, row: ModelRow) -> Ending:
    """The ending of `graph` files: the operator TFLite_Detection_PostProcess.

    It decodes the boxes, suppresses per class ("regular") at the thresholds of `row.graph_nms`, and gives
    boxes, zero-based classes, scores and their number. The operator exists in TensorFlow Lite only:
    TensorFlow 2 hands it over as a function that carries its signature (tensorflow/models
    object_detection/export_tflite_graph_lib_tf2.py).
    """
    import tensorflow as tf

    nms = row.graph_nms
    y, x, h, w = head_layout(row).box_coder

    def ending(encodings: Any, scores: Any) -> Outputs:
        attributes = {
            **{"max_detections": f"i: {nms.max}", "detections_per_class": f"i: {nms.max}"},
            **{"max_classes_per_detection": "i: 1", "use_regular_nms": "b: true"},
            **{"nms_score_threshold": f"f: {nms.score!r}", "nms_iou_threshold": f"f: {nms.iou!r}"},
            **{"y_scale": f"f: {y}", "x_scale": f"f: {x}", "h_scale": f"f: {h}", "w_scale": f"f: {w}"},
            "num_classes": f"i: {scores.shape[-1] - 1}",
        }
        signature = 'name: "TFLite_Detection_PostProcess" ' + " ".join(
            f'attr {{ key: "{key}" value {{ {value} }} }}' for key, value in attributes.items()
        )

        @tf.function(experimental_implements=signature)  # type: ignore[untyped-decorator]
        def post_process(encodings: Any, scores: Any, anchors: Any) -> tuple[Any, Any, Any, Any]:
            # Stands for the operator until it is converted. The outputs need all inputs and differ from one
            # another, else the converter takes them for constants or for one output.
            total = tf.reduce_sum(encodings) + tf.reduce_sum(scores) + tf.reduce_sum(anchors)
            kept = total + tf.zeros([1, nms.max])
            return tf.repeat(kept[..., tf.newaxis], 4, axis=2), kept, kept + 1.0, kept[:, 0]

        centre_form = tf.constant(np.concatenate(centres_and_sizes(anchors), axis=1))
        boxes, classes, found, count = post_process(encodings, scores, centre_form)
        return {
            "detection_boxes": boxes,
            "detection_classes": classes,
            "detection_scores": found,
            "num_detections": count,
        }

    return ending
