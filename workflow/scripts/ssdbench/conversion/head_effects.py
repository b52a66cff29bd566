"""What each layer's own error does to the heads: the order in which layers are left in floats.

In the fp32 network, one layer after the other is given the error that it has in the int8 network; how far the heads
move is what the layer costs. A layer's own loss (`layer_losses`) does not tell that: on SSDLite MobileNet v2 the first
depthwise convolution has a twentieth of the losses, and half of the error of the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.conversion.onnx_losses import open_model, outputs_of

_ERROR, _MOVED = "__error", "__moved"


def head_effects(
    model: Any, integers: Any, layers: Mapping[str, tuple[str, ...]], pixels: Sequence[UInt8]
) -> dict[str, float]:
    """What each layer does to the heads: the squared change relative to the squared output, summed over the heads.

    Args:
        model: fp32. integers: the same model as QDQ. layers: of `onnx_losses.layers_of`. pixels: uint8 RGB [H, W, 3].
    """
    effects: dict[str, float] = {}
    session = None
    for image, outputs in zip(pixels, outputs_of(model, integers, layers, pixels), strict=True):
        errors = {tensor: output.error for tensor, output in outputs.items()}
        session = session or open_model(_with_errors(model, layers, list(errors)))
        none = {f"{tensor}{_ERROR}": np.zeros(1, np.float32) for tensor in errors}
        fed = {model.graph.input[0].name: image[None], **none}
        sound = session.run(None, fed)
        for tensor, error in errors.items():
            moved = session.run(None, {**fed, f"{tensor}{_ERROR}": error})
            effects[tensor] = effects.get(tensor, 0.0) + sum(
                float(np.square(one - other).sum() / np.square(other).sum())
                for one, other in zip(moved, sound, strict=True)
            )
    return effects


def _with_errors(model: Any, layers: Mapping[str, tuple[str, ...]], tensors: Sequence[str]) -> Any:
    """The model with an input beside each of these tensors, which is added to it."""
    import onnx

    moved = onnx.ModelProto()
    moved.CopyFrom(model)
    del moved.graph.node[:]
    limits = {name for nodes in layers.values() for name in nodes[1:]}
    renamed = {tensor: f"{tensor}{_MOVED}" for tensor in tensors}
    for node in model.graph.node:
        added = moved.graph.node.add()
        added.CopyFrom(node)
        if node.name not in limits:
            added.input[:] = [renamed.get(name, name) for name in node.input]
        for name in set(node.output) & set(renamed):
            moved.graph.node.append(onnx.helper.make_node("Add", [name, f"{name}{_ERROR}"], [renamed[name]]))
    given = [onnx.helper.make_tensor_value_info(f"{name}{_ERROR}", onnx.TensorProto.FLOAT, None) for name in tensors]
    moved.graph.input.extend(given)
    return moved
