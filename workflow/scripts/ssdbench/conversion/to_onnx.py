"""ONNX files: fp32, fp16, and int8 as QDQ.

The same input gives the same numbers, not the same bytes: tf2onnx names its tensors in the order of sets.
"""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.conversion.cut_heads import MODEL
from ssdbench.conversion.layer_losses import loss_images, quantisation_facts
from ssdbench.conversion.onnx_losses import layer_sums, layers_of, weights_per_channel

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

# 13 has quantisation per channel; 17 is read by ONNX Runtime, OpenVINO and OpenCV's dnn alike.
OPSET = 17
# Conv together with the Clip (ReLU6) and the residual Add around it: ranges are then taken where integers
# really pass. Additions that are not the model's own (normalising, decoding, suppression) stay in floats.
INTEGER_OPERATORS = ["Conv", "Clip", "Add"]


def onnx_of(graph_def: GraphDef, name: str, outputs: Sequence[str]) -> Any:
    """The fp32 ONNX model of a GraphDef, its batch free; input and outputs keep their names."""
    import tensorflow as tf
    from tf2onnx import optimizer, tfonnx

    tensors = [name, *outputs]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        converted = tfonnx.process_tf_graph(
            graph,
            opset=OPSET,
            input_names=[f"{name}:0"],
            output_names=[f"{output}:0" for output in outputs],
            tensors_to_rename={f"{tensor}:0": tensor for tensor in tensors},
        )
    # Caught errors cost a copy of the whole graph before each of some 36 steps: 4 GB more, six times as long.
    model = optimizer.optimize_graph(converted, catch_errors=False).make_model("ssdbench")
    for value in (*model.graph.input, *model.graph.output):
        shape = value.type.tensor_type.shape
        if shape.dim and not shape.dim[0].HasField("dim_value"):
            shape.dim[0].dim_param = "N"
    return model


def to_fp16(model: Any) -> Any:
    """The model with weights and operators in half precision; inputs and outputs keep their types."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=True)


def to_int8(
    model: Any,
    pixels: Sequence[UInt8],
    reduce_range: bool,
    in_floats: Collection[str] = (),
    ranges: Path | None = None,
) -> Any:
    """The model with integer convolutions (QDQ, weights per channel, ranges by MinMax over `pixels`).

    Args:
        reduce_range: weights in 7 bits, for CPUs whose 8-bit products would saturate (those without VNNI).
        in_floats: layers of `int8_layers` that stay in floats.
        ranges: a file of `onnx_tuning.write_ranges`, which is read instead of running `pixels`.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    layers = int8_layers(model)
    with tempfile.TemporaryDirectory() as folder, _without_remarks():
        floats, integers = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(floats))
        quantize_static(
            floats,
            integers,
            _reader(model.graph.input[0].name, pixels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=INTEGER_OPERATORS,
            nodes_to_exclude=[*_foreign(model), *(name for layer in in_floats for name in layers[layer])],
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            calibration_cache_path=ranges,
        )
        return _kept_in_floats(onnx.load(str(integers)), in_floats)


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep a thousand remarks of the quantiser, one for each channel whose step it widens, out of the log."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))
    try:
        yield
    finally:
        logging.disable(before)


def _kept_in_floats(integers: Any, layers: Collection[str]) -> Any:
    """The model with an operator after each of these layers that changes nothing.

    From 1.21 on, ONNX Runtime quantises the weights of a convolution itself, per tensor, wherever it stands between a
    DequantizeLinear and a QuantizeLinear (WeightBiasQuantization, github.com/microsoft/onnxruntime/pull/22969). The
    first depthwise convolution of SSDLite MobileNet v2 then makes the error of the heads five times as large. Behind a
    Max it is left as it is.
    """
    import onnx
    from onnx import numpy_helper

    if not layers:
        return integers
    nodes = list(integers.graph.node)
    del integers.graph.node[:]
    lowest = np.array(np.finfo(np.float32).min, np.float32)
    integers.graph.initializer.append(numpy_helper.from_array(lowest, "lowest"))
    for node in nodes:
        integers.graph.node.append(node)
        for index, name in enumerate(node.output):
            if name in layers:
                integers.graph.node[-1].output[index] = f"{name}__floats"
                same = onnx.helper.make_node("Max", [f"{name}__floats", "lowest"], [name], name=f"{name}__same")
                integers.graph.node.append(same)
    return integers


def int8_layers(model: Any) -> dict[str, tuple[str, ...]]:
    """The layers of an fp32 model that `to_int8` quantises: name of the tensor that a layer makes -> its nodes."""
    return layers_of(model, INTEGER_OPERATORS, _foreign(model))


def int8_facts(
    model: Any, integers: Any, pixels: Sequence[UInt8], reduce_range: bool, in_floats: Collection[str] = ()
) -> dict[str, Any]:
    """How an int8 model is quantised, and what its layers lose: the card's `quantisation`.

    Args:
        model: fp32. integers: what `to_int8` made of it with `pixels` and `reduce_range`.
        in_floats: names of the layers that were left in floats.
    """
    images = loss_images(pixels)
    sums = layer_sums(model, integers, int8_layers(model), images)
    per_channel = weights_per_channel(integers)
    return quantisation_facts(7 if reduce_range else 8, per_channel, in_floats, sums, len(pixels), len(images))


def _foreign(model: Any) -> list[str]:
    return [n.name for n in model.graph.node if n.op_type == "Add" and not n.name.startswith(f"{MODEL}/")]


def to_int8_dynamic(model: Any) -> Any:
    """The model with convolutions in integers whose activations get their ranges anew for each image.

    Weights are quantised per tensor, the one way that ONNX Runtime computes them. Depthwise convolutions, whose
    channels have ranges of their own, stay in floats: of confident anchors 0.87 kept their class with them in
    integers, and 0.98 without.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        floats, integers = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, str(floats))
        quantize_dynamic(
            floats,
            integers,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=[node.name for node in model.graph.node if _is_depthwise(node)],
            weight_type=QuantType.QInt8,
        )
        return onnx.load(str(integers))


def _is_depthwise(node: Any) -> bool:
    return node.op_type == "Conv" and any(a.name == "group" and a.i > 1 for a in node.attribute)


def _reader(name: str, pixels: Sequence[UInt8]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._images: Iterator[UInt8] = iter(pixels)

        def get_next(self) -> dict[str, UInt8] | None:
            image = next(self._images, None)
            return None if image is None else {name: image[None]}

    return Reader()
