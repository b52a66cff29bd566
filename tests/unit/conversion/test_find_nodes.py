"""Where a graph is cut: by the names of several exporters, else by its structure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench.catalog.registry import ModelRow
from ssdbench.conversion.cut_heads import anchors_of, cut_heads
from ssdbench.conversion.find_nodes import find_nodes
from ssdbench.conversion.graphdef import nodes_of, run_graph, subgraph
from ssdbench.errors import UserError
from support.tiny_detector import ANCHORS, ROW, images, tiny_anchors, tiny_graph_def

SOURCE = Path("frozen.pb")
HEADS = ["box_encodings:0", "class_scores:0"]
GATHER = "Preprocessor/map/TensorArrayStack/TensorArrayGatherV3"
UNKNOWN = {"image": "a", "box_encodings": "b", "class_scores": "c", "anchors": "d"}


def with_layout(**names: Any) -> ModelRow:
    assert ROW.heads is not None
    return replace(ROW, heads=replace(ROW.heads, **names))


def heads_of(graph_def: Any, row: ModelRow) -> list[np.ndarray]:
    nodes = find_nodes(graph_def, row, SOURCE)
    return run_graph(cut_heads(graph_def, nodes, row, SOURCE, ANCHORS), {"pixels:0": np.stack(images(2))}, HEADS)


def own_heads(graph_def: Any, scope: str = "") -> list[np.ndarray]:
    names = [f"{scope}Squeeze:0", f"{scope}Postprocessor/convert_scores:0"]
    return run_graph(graph_def, {f"{scope}image_tensor:0": np.stack(images(2))}, names)


@pytest.mark.parametrize("normalise_first", [False, True])
def test_one_list_of_names_fits_the_exporters_of_all_years(normalise_first: bool) -> None:
    graph_def = tiny_graph_def(normalise_first=normalise_first)
    row = with_layout(
        image=("Preprocessor/stack", "Preprocessor/sub", GATHER),
        box_encodings=("Postprocessor/raw_box_encodings", "Squeeze"),
        anchors=("Postprocessor/Tile", "Postprocessor/ExpandDims"),
    )
    nodes = find_nodes(graph_def, row, SOURCE)
    assert nodes.image == (GATHER if normalise_first else "Preprocessor/sub",)
    assert (nodes.box_encodings, nodes.anchors, nodes.notes) == ("Squeeze", "Postprocessor/ExpandDims", ())
    for found, wanted in zip(heads_of(graph_def, row), own_heads(graph_def), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("scope", ["", "detector/"])
@pytest.mark.parametrize("normalise_first", [False, True])
def test_what_has_none_of_the_names_is_found_by_structure_and_said(scope: str, normalise_first: bool) -> None:
    graph_def = tiny_graph_def(normalise_first=normalise_first, scope=scope)
    row = with_layout(**UNKNOWN)
    nodes = find_nodes(graph_def, row, SOURCE)
    assert nodes.image == (f"{scope}{GATHER if normalise_first else 'Preprocessor/sub'}",)
    said = f"heads.image: the graph has no node 'a'; the input of the first convolution is '{nodes.image[0]}'"
    assert nodes.notes[0] == said
    assert [note.split(":")[0] for note in nodes.notes] == [f"heads.{key}" for key in UNKNOWN]
    np.testing.assert_array_equal(anchors_of(graph_def, nodes, row, SOURCE), tiny_anchors())
    for found, wanted in zip(heads_of(graph_def, row), own_heads(graph_def, scope), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("key", list(UNKNOWN))
def test_only_what_is_missing_is_looked_for(key: str) -> None:
    nodes = find_nodes(tiny_graph_def(), with_layout(**{key: "x"}), SOURCE)
    assert len(nodes.notes) == 1 and nodes.notes[0].startswith(f"heads.{key}: the graph has no node 'x'")


def with_other_boxes(graph_def: Any) -> Any:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        tf.constant(tiny_anchors() / 2, name="other_boxes")
        return graph.as_graph_def()


@pytest.mark.parametrize(
    ("key", "broken", "near"),
    [
        ("image", "Conv2D", "Preprocessor/sub"),
        ("class_scores", "Sigmoid", "Postprocessor/convert_scores"),
        ("anchors", "", "Postprocessor/ExpandDims"),
    ],
)
def test_what_the_structure_does_not_tell_is_named_with_its_key_and_a_similar_name(
    key: str, broken: str, near: str
) -> None:
    graph_def = with_other_boxes(tiny_graph_def()) if key == "anchors" else tiny_graph_def()
    for node in graph_def.node:
        if node.op == broken:
            node.op = "Tanh"
    row = with_layout(**{key: near + "s"})
    with pytest.raises(UserError) as error:
        find_nodes(graph_def, row, SOURCE)
    for words in ("frozen.pb", f"'{near}s'", f"models.tiny.heads.{key}", f"similar names there: {near}", "structure"):
        assert words in str(error.value)


def test_a_part_that_keeps_a_loop_keeps_what_holds_it_together() -> None:
    graph_def = tiny_graph_def(normalise_first=True)
    # The loop comes after the node that the image replaces: constants in it stand in the loop by control inputs.
    for found, wanted in zip(
        heads_of(graph_def, with_layout(image="Preprocessor/sub")), own_heads(graph_def), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_part_has_no_wish_to_stand_beside_a_node_that_is_not_in_it() -> None:
    graph_def = tiny_graph_def(normalise_first=True)
    part = nodes_of(subgraph(graph_def, ["Squeeze"], ["Preprocessor/sub"]))
    places = [place.decode() for node in part.values() for place in node.attr["_class"].list.s]
    assert places and "loc:@Preprocessor/sub" not in places
    assert all(place.removeprefix("loc:@") in part for place in places)


def test_assertions_do_not_come_along() -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [2], "x")
        other = tf.compat.v1.placeholder(tf.float32, [2], "other")
        with tf.control_dependencies([tf.compat.v1.Assert(tf.reduce_all(other > 0), [other])]):
            tf.add(x, tf.constant([1.0, 2.0]), name="y")
    part = nodes_of(subgraph(graph.as_graph_def(), ["y"]))
    assert "other" not in part and not any(tensor.startswith("^") for node in part.values() for tensor in node.input)
