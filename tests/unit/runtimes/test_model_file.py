"""Files that no framework needs to be asked about: each is named, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssdbench.errors import UserError
from ssdbench.runtimes import open_session

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
EDGE_TPU = b"\x1c\0\0\0TFL3" + bytes(64) + b"edgetpu-custom-op"


@pytest.mark.parametrize(
    ("framework", "name", "content", "sentence"),
    [
        ("onnxruntime", "model.onnx", LFS, r"model\.onnx is a pointer of Git LFS .*git lfs pull"),
        ("tflite", "model.tflite", LFS, "pointer of Git LFS"),
        ("tflite", "model_edgetpu.tflite", EDGE_TPU, "compiled for the Edge TPU.* from before the Edge TPU compiler"),
        ("opencv", "model.pb", b"\x0a\x03", r"model\.pb is not for opencv, which runs an \.onnx file.*-f tensorflow"),
        ("opencv", "ssd.caffemodel", b"\x0a\x03", "is Caffe weights, and opencv runs .* Export the model to ONNX"),
        ("onnxruntime", "model.tflite", b"\x1c\0\0\0TFL3", "not for onnxruntime.*-f tflite"),
        ("onnxruntime", "model.pt", b"PK\x03\x04", "is a PyTorch file"),
        ("onnxruntime", "model.onnx", b"PK\x03\x04", "a zip archive, as PyTorch's checkpoints"),
        ("tflite", "model.tflite", b"<!doctype html><html>", "is a web page.*download the file itself"),
        ("openvino", "model.xml", b"<?xml version='1.0'?>", r"has no weights: model\.bin must lie beside it"),
    ],
)
def test_what_a_file_is_instead_is_said(
    framework: str, name: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        open_session(framework, tmp_path / name, 1)


def test_a_folder_is_for_tensorflow_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is a folder, and onnxruntime runs an \.onnx file"):
        open_session("onnxruntime", tmp_path, 1)
