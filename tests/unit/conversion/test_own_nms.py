"""The thresholds that a graph's own suppression holds."""

from __future__ import annotations

from typing import Any

import pytest

from ssdbench.catalog.registry import GraphNms
from ssdbench.conversion.own_nms import own_nms

STATED = GraphNms(score=0.3, iou=0.6, max=100)


def graph(operation: str, *thresholds: tuple[Any, Any]) -> Any:
    """A graph with one suppression of the operation for each (iou, score); a score of None is computed."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        boxes = tf.compat.v1.placeholder(tf.float32, [9, 4])
        scores = tf.compat.v1.placeholder(tf.float32, [9])
        for iou, score in thresholds:
            score = tf.reduce_min(scores) if score is None else score
            arguments: dict[str, Any] = {"boxes": boxes, "scores": scores, "max_output_size": 5, "iou_threshold": iou}
            if operation != "V2":
                arguments["score_threshold"] = score
            if operation == "V4":
                arguments["pad_to_max_output_size"] = False
            if operation == "V5":
                arguments["soft_nms_sigma"] = 0.0
            getattr(tf.raw_ops, f"NonMaxSuppression{operation}")(**arguments)
        return graph.as_graph_def()


@pytest.mark.parametrize("operation", ["V3", "V4", "V5"])
def test_the_graph_s_own_thresholds_count(operation: str) -> None:
    found = own_nms(graph(operation, (0.5, 1e-8), (0.5, 1e-8)), STATED)
    assert found == GraphNms(score=1e-8, iou=0.5, max=100)


def test_of_all_classes_at_once_too() -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        boxes, scores = tf.zeros([1, 9, 1, 4]), tf.zeros([1, 9, 2])
        tf.image.combined_non_max_suppression(boxes, scores, 5, 5, 0.45, 0.2)
    assert own_nms(graph.as_graph_def(), STATED) == GraphNms(score=0.2, iou=0.45, max=100)


def test_what_it_does_not_hold_stays_as_stated() -> None:
    assert own_nms(graph("V2", (0.5, 0)), STATED) == GraphNms(score=0.3, iou=0.5, max=100)
    assert own_nms(graph("V5", (0.5, None)), STATED) == GraphNms(score=0.3, iou=0.5, max=100)
    assert own_nms(graph("V5", (0.5, 0.1), (0.4, 0.1)), STATED) == GraphNms(score=0.1, iou=0.6, max=100)
    assert own_nms(graph("V3"), STATED) == STATED
