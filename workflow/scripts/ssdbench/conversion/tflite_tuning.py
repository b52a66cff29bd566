"""What makes an int8 TFLite network more exact and not slower: ranges without outliers, and biases that make up for
rounded weights."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np

from ssdbench.arrays import Float32, Float64, UInt8
from ssdbench.catalog.registry import HeadLayout
from ssdbench.conversion.activation_ranges import ranges_without_outliers
from ssdbench.conversion.bias_shift import channel_means, mean_images, mean_shift
from ssdbench.conversion.tflite_graph import operator_code, output_name, packed, unpacked
from ssdbench.conversion.to_tflite import normalised_images

_MOST = 127  # weights are -127 to 127 steps: the quantization specification of LiteRT


def without_outliers(calibrated: bytes, pixels: Sequence[UInt8], layout: HeadLayout) -> bytes:
    """The network in floats whose ranges leave outliers out.

    Args:
        calibrated: the network in floats with the ranges of its activations. pixels: uint8 RGB [S, S, 3].
    """
    model = unpacked(calibrated)
    (graph,) = model.subgraphs
    ranged = [
        number
        for number, tensor in enumerate(graph.tensors)
        if tensor.quantization is not None and tensor.quantization.min is not None
    ]
    computed = {number for op in graph.operators for number in op.outputs}
    tensors = [number for number in ranged if number in computed]
    found = ranges_without_outliers(_outputs(calibrated, tensors, pixels, layout), len(pixels))
    for number, (low, high) in found.items():
        steps = graph.tensors[number].quantization
        steps.min, steps.max = (np.array([value], np.float32) for value in (low, high))
    return packed(model)


def bias_shifts(calibrated: bytes, pixels: Sequence[UInt8], layout: HeadLayout) -> dict[str, Float64]:
    """How far rounding its weights shifts each channel of a convolution on average: tensor it makes -> float64 [O].

    Args:
        calibrated: the network in floats. pixels: uint8 RGB [S, S, 3].
    """
    model = unpacked(calibrated)
    (graph,) = model.subgraphs
    convolutions = [(op, _weights(model, graph, op)) for op in graph.operators]
    found = [(op, weights) for op, weights in convolutions if weights is not None]
    inputs = sorted({op.inputs[0] for op, _ in found})
    means = channel_means(_outputs(calibrated, inputs, mean_images(pixels), layout), axes=(0, 1, 2))
    return {
        output_name(graph, op): mean_shift(
            _rounded(weights) - weights, means[op.inputs[0]], len(means[op.inputs[0]]) // weights.shape[1]
        )
        for op, weights in found
    }


def with_biases(calibrated: bytes, shifts: Mapping[str, Float64], in_floats: Collection[str] = ()) -> bytes:
    """The network in floats whose biases make up for these shifts, so that the int8 one is right on average.

    Args:
        shifts: of `bias_shifts`. in_floats: layers that keep their biases, since their weights stay exact.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpacked(calibrated)
    (graph,) = model.subgraphs
    for op in graph.operators:
        name = output_name(graph, op)
        bias = graph.tensors[op.inputs[2]] if name in shifts and len(op.inputs) > 2 and op.inputs[2] >= 0 else None
        if bias is not None and name not in in_floats:
            values = np.frombuffer(bytes(model.buffers[bias.buffer].data), np.float32) - shifts[name]
            own = copy(bias)  # several convolutions may share one
            own.name, own.buffer = f"{name}/corrected_bias".encode(), len(model.buffers)
            model.buffers.append(schema.BufferT())
            model.buffers[-1].data = np.frombuffer(values.astype(np.float32).tobytes(), np.uint8)
            op.inputs = [*op.inputs[:2], len(graph.tensors)]
            graph.tensors.append(own)
    return packed(model)


def _weights(model: Any, graph: Any, op: Any) -> Float64 | None:
    """The weights of a convolution, float64 [O, I / groups, H, W]; None for another operator."""
    from ai_edge_litert import schema_py_generated as schema

    axes = {
        schema.BuiltinOperator.CONV_2D: (0, 3, 1, 2),  # from O H W I
        schema.BuiltinOperator.DEPTHWISE_CONV_2D: (3, 0, 1, 2),  # from 1 H W O
    }.get(operator_code(model, op))
    if axes is None:
        return None
    tensor = graph.tensors[op.inputs[1]]
    data = model.buffers[tensor.buffer].data
    if data is None:  # computed
        return None
    values = np.frombuffer(bytes(data), np.float32).reshape(tensor.shape)
    return values.astype(np.float64).transpose(axes)


def _rounded(weights: Float64) -> Float64:
    """What weights float64 [O, I, H, W] become in 8 bits, per channel O."""
    steps = np.abs(weights).max(axis=(1, 2, 3), keepdims=True) / _MOST
    steps[steps == 0] = 1
    rounded: Float64 = np.rint(weights / steps) * steps
    return rounded


def _outputs(
    network: bytes, tensors: Sequence[int], pixels: Sequence[UInt8], layout: HeadLayout
) -> Iterator[dict[int, Float32]]:
    """The values of some tensors, by their numbers, for each image."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=network,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,  # XNNPACK keeps no tensors
    )
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    for (image,) in normalised_images(pixels, layout):
        interpreter.set_tensor(place, image)
        interpreter.invoke()
        yield {tensor: interpreter.get_tensor(tensor) for tensor in tensors}
