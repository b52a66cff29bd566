"""What makes an int8 ONNX network more exact and not slower: ranges without outliers, and biases that make up for
rounded weights.

On SSDLite MobileNet v2 both together divide the squared error of the heads by three; docs/int8.md has the figures.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.arrays import Float64, UInt8, spread
from ssdbench.conversion.bias_shift import MEAN_IMAGES, mean_shift
from ssdbench.conversion.onnx_losses import open_model, with_outputs

# The part of a tensor's values, in per cent, that its range holds; half of the rest is cut off at each end. Of 99.9 to
# 99.999 this one gave the smallest errors of the heads. (Percentiles: Wu et al., Integer Quantization for Deep Learning
# Inference, 2020, section 4.1.)
_PERCENTILE = 99.995


def write_ranges(model: Any, operators: Sequence[str], pixels: Sequence[UInt8], path: Path) -> None:
    """Write the ranges of the activations, without outliers, to a file that `to_onnx.to_int8` reads.

    Args:
        model: fp32. operators: those that are quantised. pixels: uint8 RGB [H, W, 3].
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod
    from onnxruntime.quantization.calibrate import TensorData, TensorsData, create_calibrator, save_tensors_data

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):  # it prints every step
        floats, watched = Path(folder, "fp32.onnx"), Path(folder, "watched.onnx")
        onnx.save(model, str(floats))
        calibrator = create_calibrator(
            floats,
            list(operators),
            str(watched),
            calibrate_method=CalibrationMethod.Percentile,
            extra_options={"percentile": _PERCENTILE},
        )
        for image in pixels:  # one by one: it keeps all activations of what it is given at once
            calibrator.collect_data(reader(model.graph.input[0].name, [image]))
        found = calibrator.compute_data()
    ranges = {name: TensorData(lowest=of.lowest, highest=of.highest) for name, of in found.items()}
    save_tensors_data(TensorsData(CalibrationMethod.MinMax, ranges), path)  # the method that `to_int8` asks for


def reader(name: str, pixels: Sequence[UInt8]) -> Any:
    """What gives a calibrator its images: uint8 RGB [H, W, 3], for the input `name`."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._images: Iterator[UInt8] = iter(pixels)

        def get_next(self) -> dict[str, UInt8] | None:
            image = next(self._images, None)
            return None if image is None else {name: image[None]}

    return Reader()


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
    means = _channel_means(model, list(dict.fromkeys(node.input[0] for node in convolutions)), pixels)
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


def _channel_means(model: Any, tensors: Sequence[str], pixels: Sequence[UInt8]) -> dict[str, Float64]:
    """The mean of each channel of activations [1, C, H, W] over some of the images: float64 [C]."""
    session, name = open_model(with_outputs(model, tensors)), model.graph.input[0].name
    images = [pixels[index] for index in spread(len(pixels), MEAN_IMAGES)]
    sums = {tensor: np.zeros(1) for tensor in tensors}
    for image in images:
        for tensor, values in zip(tensors, session.run(tensors, {name: image[None]}), strict=True):
            sums[tensor] = sums[tensor] + values.mean(axis=(0, 2, 3), dtype=np.float64)
    return {tensor: total / len(images) for tensor, total in sums.items()}


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
