"""What makes an int8 ONNX network more exact and not slower: ranges without outliers, and biases that make up for
rounded weights. docs/int8.md has the figures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.arrays import Float32, Float64, UInt8
from ssdbench.conversion.activation_ranges import ranges_without_outliers
from ssdbench.conversion.bias_shift import channel_means, mean_images, mean_shift
from ssdbench.conversion.onnx_losses import open_model, with_outputs


def write_ranges(model: Any, operators: Sequence[str], pixels: Sequence[UInt8], path: Path) -> None:
    """Write the ranges of the activations, without outliers, to a file that `to_onnx.to_int8` reads.

    Args:
        model: fp32. operators: those that are quantised. pixels: uint8 RGB [H, W, 3].
    """
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorData, TensorsData, save_tensors_data

    constants = {constant.name for constant in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type in operators]
    read_or_made = dict.fromkeys(name for node in nodes for name in (*node.input, *node.output))
    tensors = [name for name in read_or_made if name and name not in constants]
    ranges = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in ranges_without_outliers(_outputs(model, tensors, pixels), len(pixels)).items()
    }
    save_tensors_data(TensorsData(CalibrationMethod.MinMax, ranges), path)  # the method that `to_int8` asks for


def _outputs(model: Any, tensors: Sequence[str], pixels: Iterable[UInt8]) -> Iterator[dict[str, Float32]]:
    """The values of some tensors for each image."""
    session, name = open_model(with_outputs(model, tensors)), model.graph.input[0].name
    for image in pixels:
        yield dict(zip(tensors, session.run(tensors, {name: image[None]}), strict=True))


def bias_shifts(model: Any, integers: Any, pixels: Sequence[UInt8]) -> dict[str, Float64]:
    """How far rounding its weights shifts each channel of a convolution on average: node -> float64 [O].

    Args:
        model: fp32. integers: the same model as QDQ. pixels: uint8 RGB [H, W, 3].
    """
    from onnx import numpy_helper

    weights = {constant.name: constant for constant in model.graph.initializer}
    rounded = _rounded_weights(integers)
    name = model.graph.input[0].name
    convolutions = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and node.name in rounded and node.input[1] in weights and node.input[0] != name
    ]
    inputs = list(dict.fromkeys(node.input[0] for node in convolutions))
    means = channel_means(_outputs(model, inputs, mean_images(pixels)), axes=(0, 2, 3))
    shifts = {}
    for node in convolutions:
        exact = numpy_helper.to_array(weights[node.input[1]])
        groups = next((one.i for one in node.attribute if one.name == "group"), 1)
        shifts[node.name] = mean_shift(rounded[node.name] - exact, means[node.input[0]], groups)
    return shifts


def _rounded_weights(integers: Any) -> dict[str, Float64]:
    """What the weights of each convolution of a QDQ model stand for, by its node's name: float64 [O, I, H, W]."""
    from onnx import numpy_helper

    constants = {constant.name: constant for constant in integers.graph.initializer}
    makers = {output: node for node in integers.graph.node for output in node.output}
    rounded = {}
    for node in integers.graph.node:
        maker = makers.get(node.input[1]) if node.op_type == "Conv" else None
        if maker is not None and maker.op_type == "DequantizeLinear" and maker.input[0] in constants:
            values, scale, zero = (
                numpy_helper.to_array(constants[name]).astype(np.float64) for name in maker.input[:3]
            )
            by_channel = (-1, *[1] * (values.ndim - 1)) if scale.ndim and scale.size > 1 else ()
            rounded[node.name] = (values - zero.reshape(by_channel)) * scale.reshape(by_channel)
    return rounded


def with_biases(model: Any, shifts: Mapping[str, Float64], in_floats: Collection[str] = ()) -> Any:
    """The fp32 model whose biases make up for these shifts, so that the int8 model made of it is right on average.

    Args:
        shifts: of `bias_shifts`. in_floats: names of nodes that keep their biases, since their weights stay exact.
    """
    import onnx
    from onnx import numpy_helper

    corrected = onnx.ModelProto()
    corrected.CopyFrom(model)
    constants = {constant.name: constant for constant in corrected.graph.initializer}
    for node in corrected.graph.node:
        bias = constants.get(node.input[2]) if node.op_type == "Conv" and len(node.input) > 2 else None
        if bias is not None and node.name in shifts and node.name not in in_floats:
            values = numpy_helper.to_array(bias)
            name = f"{node.name}__bias"  # its own: several convolutions may share one
            corrected.graph.initializer.append(
                numpy_helper.from_array((values - shifts[node.name]).astype(values.dtype), name)
            )
            node.input[2] = name
    read = {name for node in corrected.graph.node for name in node.input}
    kept = [constant for constant in corrected.graph.initializer if constant.name in read]
    del corrected.graph.initializer[:]
    corrected.graph.initializer.extend(kept)
    return corrected
