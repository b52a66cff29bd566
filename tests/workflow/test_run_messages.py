"""What run.py says in the terminal is its own: a framework's words go to the log."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ssdbench.conversion.convert import convert
from support.project import ROOT
from support.tiny_detector import ROW, images, tiny_graph_def
from support.tiny_project import tiny_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with eight images and their annotations."""
    return tiny_project(tmp_path_factory.mktemp("tiny") / "project").folder / "mine"


def by_hand(mine: Path, model: Path, framework: str, log: Path) -> subprocess.CompletedProcess[str]:
    command = [
        *(sys.executable, ROOT / "workflow/scripts/run.py", "-m", model, "-f", framework, "-p", "fp32"),
        *("--images_path", mine / "images", "--anno_path", mine / "instances.json", "--num_runs", "2", "--log", log),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def onnx_that_fails(path: Path, names: tuple[str, str] = ("box_encodings", "class_scores")) -> Path:
    """Heads in ONNX that load, and look for a row that is not there when they are run."""
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        node("ReduceMax", ["floats"], ["most"], keepdims=0),
        node("Cast", ["most"], ["row"], to=TensorProto.INT64),
        *(node("Gather", [f"rows of {name}", "row"], [name], axis=0) for name in names),
    ]
    infos = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, last])
        for name, last in zip(names, (4, 6), strict=True)
    ]
    constants = [
        numpy_helper.from_array(np.zeros((1, 1, 8, last), np.float32), f"rows of {name}")
        for name, last in zip(names, (4, 6), strict=True)
    ]
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 32, 32, 3])
    graph = helper.make_graph(nodes, "g", [image], infos, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_a_call_that_fails_has_one_sentence_and_the_log_has_the_rest(mine: Path, tmp_path: Path) -> None:
    done = by_hand(mine, onnx_that_fails(tmp_path / "fails.onnx"), "onnxruntime", tmp_path / "log")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "fails.onnx was loaded, but running it on an image failed: [ONNXRuntimeError]" in line
    log = (tmp_path / "log").read_text()
    assert "onnxruntime" in log and "Traceback" in log  # its own line on stderr, and all of its exception


def test_a_file_that_is_refused_has_one_sentence_and_the_log_has_the_rest(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.onnx").write_bytes(onnx_that_fails(tmp_path / "x.onnx").read_bytes()[:-20])
    for framework in ("onnxruntime", "openvino"):
        done = by_hand(mine, tmp_path / "damaged.onnx", framework, tmp_path / "log")
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert "damaged.onnx cannot be loaded by" in line
    assert "ONNX Runtime refuses" in (tmp_path / "log").read_text()


def test_a_framework_that_talks_is_not_heard(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "frozen.pb").write_bytes(tiny_graph_def().SerializeToString())
    pixels = images(8)
    card = convert(ROW, tmp_path / "frozen.pb", "graph", "tflite", "fp32", lambda: iter(pixels), True, tmp_path)
    done = by_hand(mine, tmp_path / card["file"], "tflite", tmp_path / "log")
    assert "XNNPACK" in (tmp_path / "log").read_text()
    assert done.returncode == 0
    assert "XNNPACK" not in done.stderr + done.stdout


def test_a_damaged_image_has_one_sentence_and_the_decoder_is_not_heard(mine: Path, tmp_path: Path) -> None:
    model = onnx_that_fails(tmp_path / "mine.onnx")
    shutil.copytree(mine, tmp_path / "mine")
    image = tmp_path / "mine/images/2.png"
    image.write_bytes(image.read_bytes()[:-40])
    done = by_hand(tmp_path / "mine", model, "onnxruntime", tmp_path / "log")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "2.png is truncated or damaged" in line
