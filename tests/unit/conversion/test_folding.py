"""Folding: the same numbers of fewer operators, and nothing more to do the second time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench.conversion.cut_heads import BOX_ENCODINGS, CLASS_SCORES, PIXELS, cut_heads
from ssdbench.conversion.find_nodes import find_nodes
from ssdbench.conversion.folding import fold
from ssdbench.conversion.graphdef import run_graph
from support.tiny_detector import ANCHORS, ROW, images, tiny_graph_def

HEADS = [BOX_ENCODINGS, CLASS_SCORES]


@pytest.fixture(scope="module")
def source() -> Any:
    graph_def, path = tiny_graph_def(), Path("tiny.pb")
    return cut_heads(graph_def, find_nodes(graph_def, ROW, path), ROW, path, ANCHORS)


def operators(graph_def: Any) -> Counter[str]:
    return Counter(node.op for node in graph_def.node)


def heads(graph_def: Any) -> list[Any]:
    return run_graph(graph_def, {f"{PIXELS}:0": np.stack(images(2))}, [f"{name}:0" for name in HEADS])


def test_a_folded_graph_has_fewer_operators_and_gives_the_same(source: Any) -> None:
    folded = fold(source, HEADS)
    assert not {"FusedBatchNormV3", "AddN", "Pack"} & set(operators(folded))
    for wanted, found in zip(heads(source), heads(folded), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_folding_twice_is_folding_once(source: Any) -> None:
    once = fold(source, HEADS)
    twice = fold(once, HEADS)
    assert operators(twice) == operators(once)
    for wanted, found in zip(heads(once), heads(twice), strict=True):
        np.testing.assert_array_equal(found, wanted)
