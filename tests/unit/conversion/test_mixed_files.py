"""int8_mixed files: the layers left in floats really compute in floats, and the card says which and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ssdbench.conversion.convert import convert
from ssdbench.conversion.mixed_files import Goal
from ssdbench.conversion.mixed_search import Kept
from support.official_graph import official_graph
from support.tiny_detector import ROW, images, tiny_graph_def

pytestmark = pytest.mark.slow


def kept_from_the_second_on(reference: Sequence[Any], anchors: Any) -> Callable[[Sequence[Any]], Kept]:
    """A judge that is content with the second candidate, which has one layer in floats."""
    answers = iter([Kept(0.9, 0.9)])
    return lambda outputs: next(answers, Kept(1.0, 1.0))


def frozen(folder: Path) -> Path:
    source = folder / "frozen.pb"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(official_graph(tiny_graph_def()).SerializeToString())
    return source


def made(folder: Path, framework: str) -> tuple[dict[str, Any], Path]:
    card = convert(
        row=ROW,
        source=frozen(folder),
        graph_kind="heads",
        framework=framework,
        precision="int8_mixed",
        calibration_pixels=lambda: iter(images(16)),
        reduce_range=True,
        destination=folder / "made",
        goal=Goal(0.99, kept_from_the_second_on),
    )
    return card, folder / "made" / card["file"]


@pytest.mark.parametrize("framework", ["onnxruntime", "tflite"])
def test_the_card_lists_the_layers_in_floats_and_why_and_the_file_is_the_same_twice(
    framework: str, tmp_path: Path
) -> None:
    (card, path), (again, other) = (made(tmp_path / name, framework) for name in ("one", "two"))
    facts = card["quantisation"]
    search = facts["search"]
    assert facts["in_floats"] == search["order"][:1]
    assert facts["in_floats"][0] not in [one["layer"] for one in facts["layers"]]
    assert [one["in_floats"] for one in search["tried"]] == [0, 1]
    assert search["is_kept"] is True
    assert (facts["ranges"], facts["biases"]) == ("without outliers", "corrected")
    assert any("1 layer left in floats" in note for note in card["notes"])
    assert again["quantisation"]["in_floats"] == facts["in_floats"]
    if framework == "tflite":  # tf2onnx names tensors as it likes
        assert path.read_bytes() == other.read_bytes()


def test_onnx_runtime_does_not_quantise_layers_that_were_left_in_floats(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    from ssdbench.conversion.to_onnx import int8_layers, to_int8

    convert(ROW, frozen(tmp_path), "heads", "onnxruntime", "fp32", lambda: iter(images(4)), True, tmp_path / "fp32")
    model = onnx.load(str(tmp_path / "fp32" / "model.onnx"))
    kinds = {node.name: node.op_type for node in model.graph.node}
    layers = [layer for layer, nodes in int8_layers(model).items() if kinds[nodes[0]] == "Conv"]
    assert len(layers) > 4
    for layer in layers:
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "as_run.onnx")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        mixed = to_int8(model, images(4), True, [layer], tmp_path / "ranges.json").SerializeToString()
        onnxruntime.InferenceSession(mixed, options, providers=["CPUExecutionProvider"])
        run = [node.op_type for node in onnx.load(str(tmp_path / "as_run.onnx")).graph.node]
        assert (run.count("Conv") + run.count("FusedConv"), run.count("QLinearConv")) == (1, len(layers) - 1)
