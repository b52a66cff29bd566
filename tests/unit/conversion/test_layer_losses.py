"""What layers lose in int8: a layer that is spoiled on purpose comes first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ssdbench.conversion.layer_losses import LayerSums, Steps, quantisation_facts, ranked, short_name
from support.spoiled_layers import cut_range_of_onnx, cut_range_of_tflite
from support.tiny_detector import ROW, images, tiny_heads


def test_a_loss_is_the_squared_error_over_the_squared_output() -> None:
    sums = LayerSums()
    steps = Steps(scale=0.5, zero_point=10, low=0, high=255)
    sums.add(np.array([1.0, 2.0, 200.0], np.float32), np.array([12, 15, 255], np.uint8), steps)
    # integers stand for 1, 2.5 and 122.5; 200 is beyond the last integer
    assert (sums.error, sums.signal) == pytest.approx((0.25 + 77.5**2, 1 + 4 + 200**2))
    assert (sums.cut, sums.values) == (1, 3)


def test_values_within_half_a_step_of_the_range_are_not_cut() -> None:
    sums = LayerSums()
    steps = Steps(scale=1.0, zero_point=0, low=-128, high=127)
    sums.add(np.array([127.4, -128.4, 127.6, -129.0], np.float32), np.array([127, -128, 127, -128], np.int8), steps)
    assert sums.cut == 2


def test_layers_are_ranked_by_loss_and_their_shares_sum_to_one() -> None:
    sums = {"b": LayerSums(1, 100, 0, 10), "a": LayerSums(6, 100, 1, 10), "silent": LayerSums(0, 0, 0, 10)}
    first, second, third = ranked(sums)
    assert [first["layer"], second["layer"], third["layer"]] == ["a", "b", "silent"]
    assert first == {"layer": "a", "loss": 0.06, "share": 0.8571, "cut": 0.1}
    assert sum(one["share"] for one in (first, second, third)) == pytest.approx(1, abs=1e-3)
    assert quantisation_facts(7, True, [], sums, 100, 8)["cut"] == pytest.approx(1 / 30, rel=1e-2)


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (
            "model/FeatureExtractor/MobilenetV2/expanded_conv_12/project/BatchNorm/batchnorm/mul_1/folded;x",
            "expanded_conv_12/project",
        ),
        ("model/FeatureExtractor/MobilenetV2/expanded_conv/depthwise/Relu6:0", "expanded_conv/depthwise"),
        (
            "model/FeatureExtractor/MobilenetV2/expanded_conv_5/ArithmeticOptimizer/AddOpsRewrite_Leaf_1_add1",
            "expanded_conv_5/add",
        ),
        ("model/BoxPredictor_0/ClassPredictor/BiasAdd", "BoxPredictor_0/ClassPredictor"),
        ("Conv__5", "Conv__5"),
    ],
)
def test_layers_have_short_names(layer: str, name: str) -> None:
    assert short_name(layer) == name


@pytest.fixture(scope="module")
def heads() -> Any:
    return tiny_heads()


@pytest.mark.slow
@pytest.mark.parametrize("spoiled", [0, 2, -1])
def test_the_onnx_layer_whose_range_is_cut_comes_first(heads: Any, spoiled: int) -> None:
    from ssdbench.conversion.cut_heads import BOX_ENCODINGS, CLASS_SCORES, PIXELS
    from ssdbench.conversion.to_onnx import int8_facts, int8_layers, onnx_of, to_int8

    model = onnx_of(heads, PIXELS, [BOX_ENCODINGS, CLASS_SCORES])
    integers = to_int8(model, images(16), True)
    sound = int8_facts(model, integers, images(16), True)
    layers = list(int8_layers(model))
    assert {one["layer"] for one in sound["layers"]} == set(layers)
    assert (sound["weight_bits"], sound["weights"], sound["calibration_images"]) == (7, "per channel", 16)
    assert sound["cut"] < 1e-3
    cut_range_of_onnx(integers, layers[spoiled])
    facts = int8_facts(model, integers, images(16), True)
    assert facts["layers"][0]["layer"] == layers[spoiled]
    assert facts["layers"][0]["share"] > 0.5
    assert facts["cut"] > sound["cut"]


@pytest.mark.slow
def test_the_tflite_layer_whose_range_is_cut_comes_first(heads: Any) -> None:
    from ssdbench.conversion.find_nodes import head_layout
    from ssdbench.conversion.tflite_losses import int8_facts
    from ssdbench.conversion.to_tflite import convert_tflite, heads_alone

    made = convert_tflite(heads, heads_alone, ROW, "int8", images(16))
    sound = int8_facts(made.calibrated, images(16), head_layout(ROW))
    # not of the heads: what is joined has one range
    best = [one["layer"] for one in sound["layers"] if "FeatureExtractor" in one["layer"]][-1]
    facts = int8_facts(cut_range_of_tflite(made.calibrated, best), images(16), head_layout(ROW))
    assert facts["layers"][0]["layer"] == best
    assert facts["layers"][0]["cut"] > 0
