"""A quantised .tflite file in OpenVINO is held to LiteRT's scores: it agrees, or it is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.conversion.convert import convert
from ssdbench.errors import UserError
from ssdbench.inference.detect import head_decoding
from ssdbench.inspection.openvino_check import check_against_litert
from ssdbench.runtimes import open_session
from ssdbench.runtimes.base import Session
from support.tiny_detector import ROW, images, write_frozen_graph

pytestmark = pytest.mark.slow

NMS = {"score": 1e-8, "iou": 0.6, "max": 20}


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_frozen_graph(tmp_path_factory.mktemp("frozen"))


class Off(Session):
    """A session whose scores are off by so much."""

    def __init__(self, whole: Session, off: float) -> None:
        super().__init__(whole.path, 1, whole.ports, whole.form)
        self._whole, self._off = whole, off

    def infer(self, pixels: UInt8) -> Heads | Finished:
        heads = self._whole.infer(pixels)
        assert isinstance(heads, Heads)
        return replace(heads, scores=np.clip(heads.scores - np.float32(self._off), 0, 1))

    def facts(self) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("precision", ["int8", "int8_dynamic"])
def test_a_quantised_file_agrees_or_is_refused(precision: str, frozen: Path, tmp_path: Path) -> None:
    card = convert(ROW, frozen, "heads", "tflite", precision, lambda: iter(images(16)), True, tmp_path)
    path, decoding = tmp_path / card["file"], head_decoding(json.loads(json.dumps(card)), NMS)
    # OpenVINO reads the file, whatever it computes here; LiteRT's own session stands for one that agrees.
    open_session("openvino", path, 1, Normalisation(**card["normalisation"]))
    litert = open_session("tflite", path, 1, Normalisation(**card["normalisation"]))
    found = check_against_litert(litert, decoding, lambda: images(2))
    assert found is not None and found.value.startswith("0.000 on average over")
    close = check_against_litert(Off(litert, 0.005), decoding, lambda: images(2))
    assert close is not None and close.value.startswith("0.005")
    with pytest.raises(
        UserError, match=r"OpenVINO may compute other scores .*by 0\.100 on average, on 2 images.*-f tf"
    ):
        check_against_litert(Off(litert, 0.1), decoding, lambda: images(2))


def test_other_files_are_not_compared(frozen: Path, tmp_path: Path) -> None:
    def never() -> list[UInt8]:
        raise AssertionError("images were asked for")

    for framework, reader in (("tflite", "openvino"), ("onnxruntime", "openvino")):
        card = convert(ROW, frozen, "heads", framework, "fp32", lambda: iter(images(2)), True, tmp_path / framework)
        session = open_session(reader, tmp_path / framework / card["file"], 1)
        assert check_against_litert(session, head_decoding(card, NMS), never) is None
