"""The losses of the layers of an int8 ONNX network (QDQ)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.conversion.layer_losses import LayerSums, Steps

_LIMITS = ("Clip", "Relu")
_GIVEN = "__given"  # ending of the inputs of the fp32 graph that carry the int8 network's values


@dataclass(frozen=True)
class _Quantised:
    """A tensor of activations that the int8 network rounds: the name of its integers there, and their steps."""

    integers: str
    steps: Steps


def layers_of(model: Any, kinds: Sequence[str], left_out: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """The layers of an fp32 model: name of the tensor that a layer makes -> names of its nodes.

    A layer is a Conv or an Add with the Clip or Relu that follows it and that nothing else reads past.

    Args:
        kinds: operators that layers begin with. left_out: names of nodes that are not layers.
    """
    readers: dict[str, list[Any]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    layers = {}
    for node in model.graph.node:
        if node.op_type in kinds and node.op_type not in _LIMITS and node.name not in left_out:
            after = readers.get(node.output[0], [])
            joined = [node, *after] if len(after) == 1 and after[0].op_type in _LIMITS else [node]
            layers[joined[-1].output[0]] = tuple(one.name for one in joined)
    return layers


@dataclass(frozen=True)
class Output:
    """What a layer gives for one image: in floats, in integers, and what these stand for."""

    floats: Any
    integers: Any
    steps: Steps

    @property
    def error(self) -> Any:
        """The layer's own error: float32, of the output's shape."""
        return _values(self.integers, self.steps) - self.floats


def layer_sums(
    model: Any, integers: Any, layers: Mapping[str, tuple[str, ...]], pixels: Sequence[UInt8]
) -> dict[str, LayerSums]:
    """What each layer of an int8 network loses on some images, by the name of the tensor it makes: see `outputs_of`."""
    sums: dict[str, LayerSums] = {}
    for outputs in outputs_of(model, integers, layers, pixels):
        for tensor, output in outputs.items():
            sums.setdefault(tensor, LayerSums()).add(output.floats, output.integers, output.steps)
    return sums


def outputs_of(
    model: Any, integers: Any, layers: Mapping[str, tuple[str, ...]], pixels: Sequence[UInt8]
) -> Iterator[dict[str, Output]]:
    """For each image, what each layer gives in floats and in integers for the inputs that it has in the int8 network.

    Args:
        model: fp32. integers: the same model as QDQ. layers: of `layers_of`; those that compute in floats are left out.
        pixels: uint8 RGB [H, W, 3].
    """
    quantised = _quantised(integers)
    names = [of.integers for of in quantised.values()]
    of_integers = open_model(with_outputs(integers, names))  # with its optimisations: what the file really computes
    limits = {name for nodes in layers.values() for name in nodes[1:]}
    computed = _computed_in_integers(integers)
    wanted = [tensor for tensor in layers if tensor in quantised and tensor in computed]
    of_floats = open_model(with_outputs(_cut_at(model, list(quantised), limits), wanted))
    fed = [value.name for value in of_floats.get_inputs()]
    name = model.graph.input[0].name
    for image in pixels:
        found = dict(zip(quantised, of_integers.run(names, {name: image[None]}), strict=True))
        given = {f"{tensor}{_GIVEN}": _values(found[tensor], of.steps) for tensor, of in quantised.items()}
        feeds = {key: value for key, value in {**given, name: image[None]}.items() if key in fed}
        floats = zip(wanted, of_floats.run(wanted, feeds), strict=True)
        yield {tensor: Output(values, found[tensor], quantised[tensor].steps) for tensor, values in floats}


def _values(integers: Any, steps: Steps) -> Any:
    return (integers.astype(np.float32) - steps.zero_point) * np.float32(steps.scale)


def _quantised(integers: Any) -> dict[str, _Quantised]:
    """The tensors of activations that a QDQ model rounds, by their names in the fp32 model."""
    from onnx import numpy_helper

    constants = {constant.name: constant for constant in integers.graph.initializer}
    found = {}
    for node in integers.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants:
            scale, zero = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
            limits = np.iinfo(zero.dtype)
            steps = Steps(float(scale), int(zero), int(limits.min), int(limits.max))
            found[node.input[0]] = _Quantised(node.output[0], steps)
    return found


def weights_per_channel(integers: Any) -> bool:
    """Whether any weights of a QDQ model have a scale for each channel."""
    constants = {constant.name: constant for constant in integers.graph.initializer}
    scales = [constants.get(node.input[1]) for node in integers.graph.node if node.op_type == "DequantizeLinear"]
    return any(scale is not None and np.prod(scale.dims) > 1 for scale in scales)


def _computed_in_integers(integers: Any) -> set[str]:
    """The tensors of a QDQ model that an operator makes of integers, or a Clip of what such an operator makes."""
    makers = {output: node for node in integers.graph.node for output in node.output}

    def is_made_of_integers(name: str) -> bool:
        first = next((one for one in makers[name].input if one in makers), "")
        return bool(first) and makers[first].op_type == "DequantizeLinear"

    def before(name: str) -> str:
        node = makers[name]
        return node.input[0] if node.op_type in _LIMITS and node.input[0] in makers else name

    return {name for name in makers if is_made_of_integers(before(name))}


def _cut_at(model: Any, tensors: Sequence[str], limits: Collection[str]) -> Any:
    """The model whose operators read these tensors from inputs of their own, and still make them.

    limits: names of the nodes (Clip, Relu) that go on reading what their layer makes.
    """
    import onnx

    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    given = {tensor: f"{tensor}{_GIVEN}" for tensor in tensors}
    for node in cut.graph.node:
        if node.name not in limits:
            node.input[:] = [given.get(name, name) for name in node.input]
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in given.values()]
    cut.graph.input.extend(values)
    return cut


def with_outputs(model: Any, names: Sequence[str]) -> Any:
    """The model that gives these tensors and nothing else."""
    import onnx

    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    del asked.graph.output[:]
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return asked


def open_model(model: Any) -> Any:
    """A session of ONNX Runtime on a model in memory."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it remarks every input that is not used
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
