"""Files that are used as they are: looked at, copied whole, and described on a card from which they run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ssdbench.boxes.decoding import detections_of
from ssdbench.boxes.outputs import Finished
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.statement import FormStatement
from ssdbench.conversion.artifact import open_artifact
from ssdbench.conversion.convert import convert
from ssdbench.errors import UserError
from ssdbench.files.writing import write_json
from ssdbench.inference.detect import head_decoding
from ssdbench.inspection.take import take_file
from ssdbench.runtimes import open_session
from support.official_graph import official_graph
from support.tiny_detector import ANCHORS, ROW, SIZE, images, tiny_anchors, tiny_graph_def, write_frozen_graph

pytestmark = pytest.mark.slow

# Random weights find no objects, so that the boxes of neighbouring anchors tell nothing of the coder: it is stated.
GIVEN = replace(ROW, format="onnx", heads=None, given=("heads", "fp32"), box_coder=(10.0, 10.0, 5.0, 5.0))
NMS = {"score": 1e-8, "iou": 0.6, "max": 20}


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frozen_graph(tmp_path_factory.mktemp("frozen"))


def converted(folder: Path, frozen: Path, kind: str, framework: str, precision: str) -> Path:
    card = convert(ROW, frozen, kind, framework, precision, lambda: iter(images(16)), True, folder)
    return folder / card["file"]


@pytest.fixture(scope="module")
def heads(frozen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The heads in ONNX, with their anchors beside them."""
    path = converted(tmp_path_factory.mktemp("heads"), frozen, "heads", "onnxruntime", "fp32")
    np.save(path.with_name("anchors.npy"), tiny_anchors())
    return path


def taken(folder: Path, source: Path, row: ModelRow, framework: str = "onnxruntime") -> tuple[dict[str, Any], Path]:
    assert row.given is not None
    card = take_file(row, source, row.given[0], framework, row.given[1], lambda: iter(images(8)), folder)
    return card, folder / card["file"]


def detections(card: dict[str, Any], path: Path, framework: str = "onnxruntime") -> list[Any]:
    """What a cell would find with an artifact, by its card, after the way through JSON."""
    card = json.loads(json.dumps(card))
    session = open_session(framework, path, 1, Normalisation(**card["normalisation"]))
    decoding = head_decoding(card, NMS)
    (found,) = detections_of(session.run(np.stack(images(1, seed=5))), [(64, 48)], decoding)
    return [found.class_ids.tolist(), found.boxes.round(3).tolist(), found.scores.round(4).tolist()]


def test_a_finished_file_is_published_as_it_is(frozen: Path, tmp_path: Path) -> None:
    source = converted(tmp_path / "source", frozen, "graph", "tflite", "int8")
    row = replace(GIVEN, format="tflite", given=("graph", "int8"))
    card, path = taken(tmp_path / "given", source, row, "tflite")
    assert path.read_bytes() == source.read_bytes()
    assert card["ops"]["TFLite_Detection_PostProcess"] == 1
    assert card["notes"] == ["the published file, untouched"]
    assert "found by the range of its quantisation" in card["found"]["input"]
    with pytest.raises(UserError, match=r"models\.tiny\.given"):
        taken(tmp_path / "x", source, replace(row, given=("heads", "int8")), "tflite")
    with pytest.raises(UserError, match="does not exist"):
        taken(tmp_path / "x", tmp_path / "gone.tflite", row, "tflite")
    with pytest.raises(UserError, match=r"is int8 by its weights .* correct models\.tiny\.given to \[graph, int8\]"):
        taken(tmp_path / "x", source, replace(row, given=("graph", "fp32")), "tflite")
    assert not (tmp_path / "x").exists()


def test_a_shipped_frozen_graph_stays_untouched(tmp_path: Path) -> None:
    source = tmp_path / "frozen_inference_graph.pb"
    source.write_bytes(official_graph(tiny_graph_def()).SerializeToString())
    card = take_file(ROW, source, "graph", "tensorflow", "fp32", lambda: iter(images(2)), tmp_path / "given")
    assert (tmp_path / "given" / card["file"]).read_bytes() == source.read_bytes()
    assert (card["anchors"], card["form"]) == (None, None)
    assert card["notes"] == ["the published file, untouched"]


@pytest.mark.parametrize("framework", ["tflite", "onnxruntime"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8_dynamic"])
def test_the_precision_of_a_file_is_told_by_what_it_holds(
    framework: str, precision: str, frozen: Path, tmp_path: Path
) -> None:
    source = converted(tmp_path / "source", frozen, "heads", framework, precision)
    np.save(tmp_path / "anchors.npy", tiny_anchors())
    row = replace(
        GIVEN,
        format={"tflite": "tflite", "onnxruntime": "onnx"}[framework],
        anchors=tmp_path / "anchors.npy",
        form=FormStatement(box_order="yx", background="first"),
    )
    taken(tmp_path / "given", source, replace(row, given=("heads", precision)), framework)
    other = "fp16" if precision == "fp32" else "fp32"
    with pytest.raises(UserError, match=rf"is {precision} by its weights"):
        taken(tmp_path / "given", source, replace(row, given=("heads", other)), framework)


def test_finished_heads_take_the_anchors_and_classes_of_their_row(heads: Path, tmp_path: Path) -> None:
    def given(**keys: Any) -> dict[str, Any]:
        return taken(tmp_path / "given", heads, replace(GIVEN, **{"box_coder": (1.0, 2.0, 3.0, 4.0), **keys}))[0]

    anchors = heads.with_name("anchors.npy")
    with pytest.raises(UserError, match=rf"gives {ANCHORS} boxes as encodings .*: set models\.tiny\.anchors to"):
        given()
    card = given(anchors=anchors, class_ids=(0, 9, 8, 7, 6, 5))
    assert np.asarray(card["anchors"], np.float32).tolist() == tiny_anchors().tolist()
    assert card["class_ids"] == [0, 9, 8, 7, 6, 5]
    assert given(anchors=anchors, class_ids=(9, 8, 7, 6, 5))["class_ids"] == [0, 9, 8, 7, 6, 5]
    assert card["box_coder"] == [1, 2, 3, 4]
    np.save(tmp_path / "few.npy", tiny_anchors()[1:])
    with pytest.raises(UserError, match=rf"gives {ANCHORS} boxes, but the anchors that are stated are {ANCHORS - 1}"):
        given(anchors=tmp_path / "few.npy")
    with pytest.raises(UserError, match=r"scores 6 classes .*, and class_ids has 2 ids"):
        given(anchors=anchors, class_ids=(0, 9))
    with pytest.raises(
        UserError,
        match=rf"takes {SIZE}x{SIZE} pixels .*, and the registry says 64: correct models\.tiny\.input_size to 32",
    ):
        given(anchors=anchors, input_size=64)


def test_class_numbers_of_tflite_s_operator_begin_at_0(frozen: Path, tmp_path: Path) -> None:
    source = converted(tmp_path / "source", frozen, "graph", "tflite", "fp32")
    row = replace(GIVEN, format="tflite", given=("graph", "fp32"), class_ids=(9, 8, 7, 6, 5))
    card, path = taken(tmp_path / "given", source, row, "tflite")
    output = open_session("tflite", path, 1).run(np.stack(images(1, seed=3)))
    assert isinstance(output, Finished)
    (plain,), (found,) = (detections_of(output, [(8, 8)], of) for of in (None, head_decoding(card, {})))
    assert len(plain.class_ids) > 3
    assert found.class_ids.tolist() == [10 - number for number in plain.class_ids]


def test_logits_are_asked_for_and_the_number_of_classes_stands_on_the_card(tmp_path: Path) -> None:
    row = replace(GIVEN, anchors=tmp_path / "anchors.npy", form=FormStatement(background="first", box_form="encodings"))
    np.save(tmp_path / "anchors.npy", np.array([[0, 0, 1, 1]] * 7))
    source = onnx_constants(tmp_path / "x.onnx", 91, -3.0)
    with pytest.raises(
        UserError, match=r"-3 to -3, so they are logits.* set models\.tiny\.activation to sigmoid or soft"
    ):
        taken(tmp_path / "given", source, row)
    card, _ = taken(tmp_path / "given", onnx_constants(tmp_path / "y.onnx", 81, 0.5), row)
    assert (card["class_numbers"], card["class_ids"]) == (81, None)


def onnx_constants(path: Path, columns: int, value: float) -> Path:
    """Heads in ONNX that give the same score for whatever image."""
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIZE, SIZE, 3])
    outputs = {
        "box_encodings": np.zeros((1, 7, 4), np.float32),
        "class_scores": np.full((1, 7, columns), value, np.float32),
    }
    nodes = [helper.make_node("Constant", [], [n], value=numpy_helper.from_array(v)) for n, v in outputs.items()]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in outputs.items()]
    graph = helper.make_graph(nodes, "g", [image], infos)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


def test_weights_in_a_second_file_are_put_inside(heads: Path, tmp_path: Path) -> None:
    source = tmp_path / "model.onnx"
    onnx.save(onnx.load(heads), source, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    row = replace(GIVEN, anchors=heads.with_name("anchors.npy"))
    card, path = taken(tmp_path / "given", source, row)
    assert "its weights, which lay in a second file, were put inside" in card["notes"]
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]
    plain_card, plain = taken(tmp_path / "plain", heads, row)
    assert detections(card, path) == detections(plain_card, plain)
    (tmp_path / "model.onnx.data").write_bytes(b"short")
    with pytest.raises(UserError, match=r"keeps weights in model\.onnx\.data, and they cannot be read"):
        taken(tmp_path / "given", source, row)


def test_an_ir_runs_in_openvino_from_both_of_its_files(heads: Path, tmp_path: Path) -> None:
    import openvino as ov

    source = tmp_path / "mine.xml"
    ov.save_model(ov.Core().read_model(str(heads)), str(source), compress_to_fp16=False)
    row = replace(GIVEN, format="openvino", anchors=heads.with_name("anchors.npy"))
    card, path = taken(tmp_path / "given", source, row, "openvino")
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.bin", "model.xml"]
    write_json(path.with_name("card.json"), {"status": "ok", **card})
    assert open_artifact(path.with_name("card.json"))[1] == path
    onnx_card, onnx_path = taken(tmp_path / "onnx", heads, replace(GIVEN, anchors=row.anchors))
    assert detections(card, path, "openvino") == detections(onnx_card, onnx_path)
    path.with_suffix(".bin").write_bytes(b"another")
    with pytest.raises(UserError, match=r"model\.xml is not the one that its card\.json describes"):
        open_artifact(path.with_name("card.json"))


def test_an_input_that_is_not_square_is_fed_as_it_is(tmp_path: Path) -> None:
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 24, 40, 3])
    source = onnx_constants(tmp_path / "x.onnx", 91, 0.5)
    model = onnx.load(source)
    del model.graph.input[:]
    model.graph.input.append(image)
    onnx.save(model, source)
    np.save(tmp_path / "anchors.npy", np.array([[0, 0, 1, 1]] * 7))
    row = replace(
        GIVEN, anchors=tmp_path / "anchors.npy", input_size=(24, 40), form=FormStatement(box_form="encodings")
    )
    pixels = [np.zeros((24, 40, 3), np.uint8)]
    card = take_file(row, source, "heads", "onnxruntime", "fp32", lambda: iter(pixels), tmp_path / "given")
    assert card["input_size"] == [24, 40]
    with pytest.raises(UserError, match=r"takes 24x40 pixels .* correct models\.tiny\.input_size to \[24, 40\]"):
        take_file(
            replace(row, input_size=(40, 24)),
            source,
            "heads",
            "onnxruntime",
            "fp32",
            lambda: iter(pixels),
            tmp_path / "y",
        )
