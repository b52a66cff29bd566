"""What a model file is by its first bytes and its name, before a framework is asked: sentences instead of riddles."""

from __future__ import annotations

from pathlib import Path

from ssdbench.errors import UserError

_LFS = b"version https://git-lfs.github.com/spec/"
_EDGE_TPU = b"edgetpu-custom-op"
_OTHERS = {
    b"PK\x03\x04": ("a zip archive, as PyTorch's checkpoints and Keras's .keras files are", "export it to ONNX"),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file, as Keras's .h5 files are", "export it as a SavedModel"),
    b"\x1f\x8b": ("a gzip archive", "unpack it and give the model file in it"),
    b"<!DOCTYPE": ("a web page", "download the file itself"),
    b"<html": ("a web page", "download the file itself"),
}
# By the framework's module: what it runs.
_RUNS = {
    "tensorflow": (".pb", "a frozen graph (.pb) or a SavedModel"),
    "tflite": (".tflite", "a .tflite file"),
    "onnxruntime": (".onnx", "an .onnx file"),
    "openvino": (".onnx .xml .tflite .pb", "an .onnx file or an IR (.xml with its .bin)"),
    "opencv": (".onnx", "an .onnx file"),
}
_SUFFIXES = {".pb": "tensorflow", ".tflite": "tflite", ".onnx": "onnxruntime", ".xml": "openvino"}
_FOREIGN = {
    ".caffemodel": "Caffe weights", ".prototxt": "a Caffe network", ".pbtxt": "a graph as text",
    ".weights": "Darknet weights", ".cfg": "a Darknet network", ".mlmodel": "a Core ML model",
    ".pt": "a PyTorch file", ".pth": "a PyTorch file", ".engine": "a TensorRT engine", ".bin": "weights alone",
}  # fmt: skip


def require_model_file(path: Path, framework: str) -> None:
    """Look at a file before the framework (its module's name) loads it.

    Raises:
        UserError: it is missing, a pointer of Git LFS, compiled for the Edge TPU, or a file of another kind.
    """
    if not path.exists():
        raise UserError(f"Model {path} does not exist. Check the path, or make the artifact again.")
    suffix = path.suffix.lower()
    runs, words = _RUNS.get(framework, ("", ""))
    if path.is_dir():
        if framework != "tensorflow":
            raise UserError(f"{path} is a folder, and {framework} runs {words}.")
        return
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(_LFS):
        raise UserError(
            f"{path} is a pointer of Git LFS and not the model itself. Run `git lfs pull` in its repository, or "
            "download the file from the page of its repository."
        )
    if suffix in _FOREIGN and suffix not in runs.split():
        raise UserError(f"{path} is {_FOREIGN[suffix]}, and {framework} runs {words}. Export the model to ONNX.")
    if suffix in _SUFFIXES and suffix not in runs.split():
        raise UserError(f"{path} is not for {framework}, which runs {words}. Give -f {_SUFFIXES[suffix]}.")
    for start, (what, remedy) in _OTHERS.items():
        if head.lower().startswith(start.lower()):
            raise UserError(f"{path} is {what}, and not a model that {framework} runs: {remedy}.")
    if head[4:8] == b"TFL3" and _EDGE_TPU in path.read_bytes():
        raise UserError(
            f"{path} is compiled for the Edge TPU, which alone can run it. Give the .tflite file from before the "
            "Edge TPU compiler (mostly the same name without _edgetpu)."
        )
    if suffix == ".xml" and not path.with_suffix(".bin").is_file():
        raise UserError(f"{path} has no weights: {path.with_suffix('.bin').name} must lie beside it.")
