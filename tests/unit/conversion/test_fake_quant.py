"""Graphs from quantisation-aware training are held to their own steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ssdbench.boxes.outputs import Heads
from ssdbench.conversion.check_conversion import compare_heads
from ssdbench.conversion.fake_quant import Steps, steps_of


def graph(*, rounded: bool) -> Any:
    """A convolution of coarse steps, and two heads, of which one is rounded to steps of its own."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [1, 4, 4, 3], "x")
        x = tf.compat.v1.nn.conv2d(x, tf.ones([1, 1, 3, 4]), strides=1, padding="SAME")
        if rounded:
            x = tf.quantization.fake_quant_with_min_max_vars(x, tf.constant(-51.0), tf.constant(51.0))
        boxes = tf.compat.v1.nn.conv2d(x, tf.ones([1, 1, 4, 4]), strides=1, padding="SAME")
        if rounded:
            boxes = tf.quantization.fake_quant_with_min_max_args(boxes, -12.75, 12.75)
        tf.reshape(boxes, [1, -1, 4], name="boxes")
        logits = tf.compat.v1.nn.conv2d(x, tf.ones([1, 1, 4, 4]), strides=1, padding="SAME")
        tf.sigmoid(logits, name="scores")
        return graph.as_graph_def()


def test_a_head_s_step_is_its_own_last_one_else_the_coarsest_of_the_graph() -> None:
    steps = steps_of(graph(rounded=True), "boxes", "scores")
    assert steps is not None
    assert (steps.encodings, steps.scores) == pytest.approx((0.1, 0.1))  # 25.5 / 255, and a quarter of 102 / 255
    assert steps_of(graph(rounded=False), "boxes", "scores") is None


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_single_values_may_be_steps_away_and_the_mean_may_not(precision: str) -> None:
    wanted = Heads(np.zeros((1, 100, 4), np.float32), np.zeros((1, 100, 3), np.float32))
    steps = Steps(0.1, 0.05)

    def hold(encodings: np.ndarray) -> list[bool]:
        return [
            figure.holds for figure in compare_heads(precision, [wanted], [replace(wanted, encodings=encodings)], steps)
        ]

    flipped = np.zeros((1, 100, 4), np.float32)
    flipped[0, :3] = 0.8
    assert hold(flipped) == [True, True]
    assert hold(flipped + 0.2) == [False, True]
    assert hold(np.full_like(flipped, np.nan)) == [False, True]
