"""The losses of the layers of an int8 TFLite network, by TensorFlow's own debugger."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ssdbench.arrays import UInt8
from ssdbench.catalog.registry import HeadLayout
from ssdbench.conversion.layer_losses import LayerSums, Steps, loss_images, quantisation_facts
from ssdbench.conversion.tflite_graph import operator_code, output_name, unpacked
from ssdbench.conversion.to_tflite import normalised_images

_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "ADD")
_VERIFIED = "NumericVerify/"  # before the name of a layer's tensor; after it come a colon and the tensor's number


def int8_facts(
    calibrated: bytes, pixels: Sequence[UInt8], layout: HeadLayout, in_floats: Collection[str] = ()
) -> dict[str, Any]:
    """How an int8 file is quantised, and what its layers lose: the card's `quantisation`.

    Args:
        calibrated: the network that the file was made of. pixels: uint8 RGB [S, S, 3], what it was calibrated with.
        in_floats: names of the layers that were left in floats.
    """
    images = loss_images(pixels)
    sums = layer_sums(calibrated, images, layout, in_floats)
    return quantisation_facts(8, True, in_floats, sums, len(pixels), len(images))


def layer_sums(
    calibrated: bytes, pixels: Sequence[UInt8], layout: HeadLayout, in_floats: Collection[str] = ()
) -> dict[str, LayerSums]:
    """What each layer of the int8 network loses on an average image of `pixels`, by the name of the tensor it makes."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    debugger = tf.lite.experimental.QuantizationDebugger(
        quant_debug_model_content=mlir_quantize(
            calibrated, enable_numeric_verify=True, denylisted_nodes=list(in_floats)
        ),
        debug_dataset=lambda: normalised_images(pixels, layout),
        debug_options=tf.lite.experimental.QuantizationDebugOptions(
            layer_direct_compare_metrics={
                name: lambda *values, name=name: getattr(_sums_of(*values), name)
                for name in ("error", "signal", "cut", "values")
            }
        ),
    )
    debugger.run()
    sums = {
        name.removeprefix(_VERIFIED).rpartition(":")[0]: LayerSums(
            *(float(found[key]) for key in ("error", "signal", "cut", "values"))
        )
        for name, found in debugger.layer_statistics.items()
    }
    # Where the network verifies a layer, it has two tensors of its name, and the second gets a 1.
    named = {layer: sums.get(f"{layer}1") or sums.get(layer) for layer in layers_of(calibrated)}
    return {layer: found for layer, found in named.items() if found}


def layers_of(network: bytes) -> list[str]:
    """The layers of a TFLite network by the names of the tensors that they make, in the order of their running."""
    from ai_edge_litert import schema_py_generated as schema

    model = unpacked(network)
    layers = {getattr(schema.BuiltinOperator, name) for name in _LAYERS}
    (graph,) = model.subgraphs
    return [output_name(graph, op) for op in graph.operators if operator_code(model, op) in layers]


def _sums_of(floats: Any, integers: Any, scale: float, zero_point: int) -> LayerSums:
    sums = LayerSums()
    sums.add(floats, integers, Steps(float(scale), int(zero_point), -128, 127))
    return sums
