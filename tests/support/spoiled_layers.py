"""int8 networks with one layer spoiled on purpose: its range of activations is cut to a part of what it needs."""

from __future__ import annotations

from typing import Any

PART = 0.2


def cut_range_of_onnx(integers: Any, tensor: str) -> None:
    """Cut the range of a tensor of a QDQ model, in place."""
    from onnx import numpy_helper

    quantize = next(n for n in integers.graph.node if n.op_type == "QuantizeLinear" and n.input[0] == tensor)
    scale = next(constant for constant in integers.graph.initializer if constant.name == quantize.input[1])
    array = numpy_helper.to_array(scale)
    scale.CopyFrom(numpy_helper.from_array((array * PART).astype(array.dtype), scale.name))


def cut_range_of_tflite(calibrated: bytes, tensor: str) -> bytes:
    """A calibrated network with a smaller range of a tensor."""
    from ssdbench.conversion.tflite_graph import packed, unpacked

    model = unpacked(calibrated)
    (found,) = [one for one in model.subgraphs[0].tensors if one.name.decode() == tensor]
    found.quantization.min = [value * PART for value in found.quantization.min]
    found.quantization.max = [value * PART for value in found.quantization.max]
    return packed(model)
