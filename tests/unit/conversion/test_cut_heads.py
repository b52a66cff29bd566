"""Cutting a graph at its heads, folding it, and reading its anchors."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench.arrays import Float32
from ssdbench.boxes.anchors import standard_anchors
from ssdbench.catalog.registry import ModelRow
from ssdbench.conversion import cut_heads as cutting
from ssdbench.conversion.find_nodes import find_nodes
from ssdbench.conversion.folding import fold
from ssdbench.conversion.graphdef import run_graph
from ssdbench.conversion.load_graph import load_graph
from ssdbench.errors import UserError
from support.tiny_detector import ANCHORS, CLASSES, ROW, images, tiny_anchors, tiny_graph_def

SOURCE = Path("frozen.pb")
HEADS = ["box_encodings:0", "class_scores:0"]


@pytest.fixture(scope="module")
def graph_def() -> Any:
    return tiny_graph_def()


def with_layout(**names: Any) -> ModelRow:
    assert ROW.heads is not None
    return replace(ROW, heads=replace(ROW.heads, **names))


def cut_heads(graph_def: Any, row: ModelRow, source: Path, anchors: int) -> Any:
    return cutting.cut_heads(graph_def, find_nodes(graph_def, row, source), row, source, anchors)


def anchors_of(graph_def: Any, row: ModelRow, source: Path) -> Float32:
    return cutting.anchors_of(graph_def, find_nodes(graph_def, row, source), row, source)


@pytest.mark.parametrize("encodings", ["Squeeze", "concat"])
def test_the_cut_heads_are_the_source_s_own(graph_def: Any, encodings: str) -> None:
    pixels = np.stack(images(3))
    heads = cut_heads(graph_def, with_layout(box_encodings=encodings), SOURCE, ANCHORS)
    found = run_graph(heads, {"pixels:0": pixels}, HEADS)
    # At the graph's own size its resize changes nothing, so the whole graph is the reference.
    wanted = run_graph(graph_def, {"image_tensor:0": pixels}, ["Squeeze:0", "Postprocessor/convert_scores:0"])
    assert found[0].shape == (3, ANCHORS, 4)
    assert found[1].shape == (3, ANCHORS, CLASSES + 1)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_folding_keeps_the_numbers_and_leaves_convolutions_with_one_bias(graph_def: Any) -> None:
    heads = cut_heads(graph_def, ROW, SOURCE, ANCHORS)
    folded = fold(heads, ["box_encodings", "class_scores"])
    pixels = {"pixels:0": np.stack(images(4))}
    for a, b in zip(run_graph(folded, pixels, HEADS), run_graph(heads, pixels, HEADS), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    ops = Counter(node.op for node in folded.node)
    # One Mul and one addition normalise the pixels; the other addition is the residual.
    assert (ops["Mul"], ops["AddV2"]) == (1, 2)
    assert not {"FusedBatchNormV3", "AddN", "Add", "Pack", "Shape", "StridedSlice"} & set(ops)


def test_a_value_that_is_used_elsewhere_is_not_folded_away() -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        pixels = tf.compat.v1.placeholder(tf.float32, [1, 4, 4, 2], "x")
        raw = tf.compat.v1.nn.conv2d(pixels, tf.constant(1.0, shape=[1, 1, 2, 2]), strides=1, padding="SAME")
        scaled = tf.multiply(raw, tf.constant([2.0, 3.0]))
        tf.add(scaled, raw, name="both")
        tf.identity(scaled, name="alone")
        graph_def = graph.as_graph_def()
    feeds = {"x:0": np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2)}
    fetches = ["both:0", "alone:0"]
    for a, b in zip(
        run_graph(fold(graph_def, ["both", "alone"]), feeds, fetches),
        run_graph(graph_def, feeds, fetches),
        strict=True,
    ):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"image": "FeatureExtractor/Conv2D"}, "resizes images to 16x16 before the node 'FeatureExtractor/Conv2D'"),
        ({"image": "Preprocessor/mul"}, r"holds pixel \* 0.00784314 \+ .* says pixel \* 0.00784314 \+ -1: give scale"),
        ({"scale": 1 / 255, "offset": 0.0}, "give scale: 0.00784314 and offset: -1 there"),
        ({"image": "Postprocessor/ExpandDims"}, "need the input 'image_tensor' besides"),
        (
            {"box_encodings": "Postprocessor/convert_scores"},
            r"\(models\.tiny\.heads\.box_encodings in the registry\) gives",
        ),
        ({"class_scores": "concat"}, r"\(models\.tiny\.heads\.class_scores in the registry\) gives"),
    ],
)
def test_a_wrong_node_is_refused(graph_def: Any, names: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        cut_heads(graph_def, with_layout(**names), SOURCE, ANCHORS)


def test_heads_and_anchors_that_do_not_fit_are_refused(graph_def: Any) -> None:
    with pytest.raises(UserError, match="it has 1917 anchors"):
        cut_heads(graph_def, ROW, SOURCE, 1917)


def test_anchors_come_from_the_graph_else_they_are_the_standard_ones(graph_def: Any) -> None:
    np.testing.assert_array_equal(anchors_of(graph_def, ROW, SOURCE), tiny_anchors())
    np.testing.assert_array_equal(anchors_of(graph_def, with_layout(anchors=""), SOURCE), standard_anchors())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Postprocessor/convert_scores", "instead of"),
        ("Squeeze", "numbers that are not boxes"),
    ],
)
def test_what_are_no_anchors_is_refused(graph_def: Any, name: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        anchors_of(graph_def, with_layout(anchors=name), SOURCE)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist"), (b"no graph at all", "is not a TensorFlow frozen graph"), (b"", "holds no graph")],
)
def test_what_is_no_frozen_graph_is_refused(content: bytes | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / "frozen.pb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        load_graph(ROW, path)
    assert str(path) in str(error.value)


def test_an_image_of_another_size_is_refused(graph_def: Any) -> None:
    row = replace(with_layout(image="Preprocessor/sub"), input_size=64)
    with pytest.raises(UserError, match=r"resizes images to 32x32 .* says 64x64: correct models\.tiny\.input_size"):
        cut_heads(graph_def, row, SOURCE, ANCHORS)


def test_a_model_without_heads_cannot_be_cut(graph_def: Any) -> None:
    with pytest.raises(UserError, match="tiny has no `heads`"):
        cut_heads(graph_def, replace(ROW, heads=None), SOURCE, ANCHORS)
