"""Corrected biases: int8 networks are right on average, layers in floats keep their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.conversion.bias_shift import mean_shift
from support.tiny_detector import ROW, SIZE


@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, 3, 4), (4, 4, 4), (2, 4, 6)]), st.integers(1, 3))
def test_the_shift_is_the_mean_of_what_a_convolution_makes_of_the_difference(
    seed: int, sizes: tuple[int, int, int], kernel: int
) -> None:
    groups, inputs, outputs = sizes
    random = np.random.default_rng(seed)
    difference = random.normal(size=(outputs, inputs // groups, kernel, kernel))
    values = random.normal(size=(inputs, 1, 1)) + np.zeros((inputs, 6, 6))
    made = np.zeros((outputs, 7 - kernel, 7 - kernel))
    for output, row, column in np.ndindex(*made.shape):
        first = output // (outputs // groups) * (inputs // groups)
        seen = values[first : first + inputs // groups, row : row + kernel, column : column + kernel]
        made[output, row, column] = (difference[output] * seen).sum()
    assert mean_shift(difference, values.mean(axis=(1, 2)), groups) == pytest.approx(made.mean(axis=(1, 2)))


def convolution(weights: Any, image: Any) -> Any:
    """An fp32 ONNX model of one convolution, whose pixels are those of `image` uint8 [C, H, W]."""
    import onnx

    value = onnx.helper.make_tensor_value_info
    nodes = [
        onnx.helper.make_node("Cast", ["pixels"], ["floats"], to=onnx.TensorProto.FLOAT),
        onnx.helper.make_node("Conv", ["floats", "weights", "bias"], ["made"], name="one"),
    ]
    bias = np.zeros(len(weights), np.float32)
    graph = onnx.helper.make_graph(
        nodes,
        "one convolution",
        [value("pixels", onnx.TensorProto.UINT8, [1, *image.shape])],
        [value("made", onnx.TensorProto.FLOAT, [1, len(weights), *image.shape[1:]])],
        [onnx.numpy_helper.from_array(weights, "weights"), onnx.numpy_helper.from_array(bias, "bias")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.slow
def test_an_onnx_file_with_corrected_biases_is_right_on_average(tmp_path: Path) -> None:
    from ssdbench.conversion.onnx_losses import open_model
    from ssdbench.conversion.onnx_tuning import bias_shifts, with_biases, write_ranges
    from ssdbench.conversion.to_onnx import INTEGER_OPERATORS, to_int8

    random = np.random.default_rng(0)
    pixels = list(random.integers(0, 256, (4, 3, 64, 64), np.uint8))
    weights = random.normal(size=(8, 3, 1, 1)).astype(np.float32)
    model, ranges = convolution(weights, pixels[0]), tmp_path / "ranges.json"

    def mean(of: Any) -> Any:
        session = open_model(of)
        return np.mean([session.run(None, {"pixels": one[None]})[0].mean(axis=(0, 2, 3)) for one in pixels], axis=0)

    write_ranges(model, INTEGER_OPERATORS, pixels, ranges)
    plain = to_int8(model, pixels, True, ranges=ranges)
    shifts = bias_shifts(model, plain, pixels)
    corrected = to_int8(with_biases(model, shifts), pixels, True, ranges=ranges)
    before, after = (np.abs(mean(of) - mean(model)).max() for of in (plain, corrected))
    assert after < before / 5
    assert (mean(with_biases(model, shifts, in_floats=["one"])) == mean(model)).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["full", "depthwise"])
def test_the_shifts_of_a_tflite_file_are_what_tensorflow_finds_with_rounded_weights(kind: str) -> None:
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from ssdbench.conversion.find_nodes import head_layout
    from ssdbench.conversion.tflite_tuning import bias_shifts, with_biases
    from ssdbench.conversion.to_tflite import normalised_images

    layout = head_layout(ROW)
    weights = np.random.default_rng(0).normal(size=(3, 3, 3, 8 if kind == "full" else 1)).astype(np.float32)
    outputs = 8 if kind == "full" else 3
    convolve = tf.nn.conv2d if kind == "full" else tf.nn.depthwise_conv2d

    def network(of: Any) -> Any:
        @tf.function(autograph=False, input_signature=[tf.TensorSpec([1, SIZE, SIZE, 3])])
        def made(image: Any) -> Any:
            stride = 1 if kind == "full" else [1, 1, 1, 1]
            return tf.nn.bias_add(convolve(image, of, stride, "VALID"), tf.fill([outputs], 0.5))

        return made

    # of one colour each, so that the places at the edges see no others
    pixels = [np.full((SIZE, SIZE, 3), colour, np.uint8) for colour in ((20, 200, 90), (0, 255, 30), (130, 60, 10))]

    def mean(run: Any) -> Any:
        return np.mean(
            [np.mean(run(one), axis=(0, 1, 2), dtype=np.float64) for (one,) in normalised_images(pixels, layout)],
            axis=0,
        )

    def run_file(data: bytes) -> Any:
        interpreter = Interpreter(model_content=data)
        interpreter.allocate_tensors()

        def made(image: Any) -> Any:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
            interpreter.invoke()
            return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

        return made

    data = tf.lite.TFLiteConverter.from_concrete_functions([network(weights).get_concrete_function()]).convert()
    shifts = bias_shifts(data, pixels, layout)
    (shift,) = shifts.values()
    # a channel of full weights is their last axis, and of depthwise ones the one before it
    axes = (0, 1, 2) if kind == "full" else (0, 1, 3)
    steps = np.abs(weights).max(axis=axes, keepdims=True) / 127
    rounded = (np.round(weights / steps) * steps).astype(np.float32)
    sound = mean(network(weights))
    # nearly: the first image has a black pixel and a white one
    assert shift == pytest.approx(mean(network(rounded)) - sound, abs=np.abs(shift).max() / 100)
    assert mean(run_file(with_biases(data, shifts))) == pytest.approx(sound - shift, abs=1e-5)
    assert mean(run_file(with_biases(data, shifts, in_floats=list(shifts)))) == pytest.approx(sound, abs=1e-5)


@pytest.mark.slow
def test_ranges_leave_outliers_out(tmp_path: Path) -> None:
    from onnxruntime.quantization.calibrate import load_tensors_data

    from ssdbench.conversion.onnx_tuning import write_ranges

    image = np.random.default_rng(0).integers(0, 101, (1, 400, 400), np.uint8)
    image[0, 0, 0] = 255
    model = convolution(np.ones((1, 1, 1, 1), np.float32), image)
    write_ranges(model, ["Conv"], [image], tmp_path / "ranges.json")
    assert float(load_tensors_data(tmp_path / "ranges.json")["made"].highest) == pytest.approx(100, abs=1)


@pytest.mark.slow
def test_convolutions_that_share_a_bias_in_a_tflite_file_each_get_their_own() -> None:
    import tensorflow as tf

    from ssdbench.conversion.tflite_graph import unpacked
    from ssdbench.conversion.tflite_tuning import with_biases

    random = np.random.default_rng(0)
    weights = [random.normal(size=(1, 1, 3, 4)).astype(np.float32) for _ in range(2)]
    bias = tf.constant([1.0, 2.0, 3.0, 4.0])

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([1, SIZE, SIZE, 3])])
    def network(image: Any) -> Any:
        return [tf.nn.bias_add(tf.nn.conv2d(image, one, 1, "VALID"), bias) for one in weights]

    data = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()]).convert()
    (graph,) = unpacked(data).subgraphs
    assert len({graph.tensors[op.inputs[2]].buffer for op in graph.operators}) == 1
    names = [graph.tensors[op.outputs[0]].name.decode() for op in graph.operators]
    model = unpacked(with_biases(data, {names[0]: np.full(4, 0.25), names[1]: np.full(4, 0.5)}, in_floats=names[1:]))
    (graph,) = model.subgraphs
    buffers = [model.buffers[graph.tensors[op.inputs[2]].buffer] for op in graph.operators]
    values = [np.frombuffer(bytes(buffer.data), np.float32).tolist() for buffer in buffers]
    assert values == [[0.75, 1.75, 2.75, 3.75], [1, 2, 3, 4]]
