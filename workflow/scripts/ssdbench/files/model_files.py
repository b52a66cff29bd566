"""The files that a model consists of: some keep their weights in a second one. Imports nothing heavy."""

from __future__ import annotations

import re
from pathlib import Path

from ssdbench.files.hashing import files_of, sha256_file, sha256_path, sha256_text

# In ONNX's protobuf, an entry of external_data: key (field 1) "location", value (field 2) the file's name.
_LOCATION = re.compile(rb"\n\x08location\x12([\x01-\x7f])", re.DOTALL)
_LARGEST_GRAPH = 64 << 20  # bytes; a graph whose weights lie elsewhere is small


def model_files(path: Path) -> list[Path]:
    """The model file and those that belong to it: an IR's .bin, ONNX's external data, all of a SavedModel's folder."""
    if path.suffix == ".xml":
        return [path, path.with_suffix(".bin")]
    return [*files_of(path), *(path.parent / name for name in external_data(path))]


def external_data(path: Path) -> list[str]:
    """Names, relative to its folder, of the files in which an .onnx file keeps weights.

    Names that lead out of the folder are left out: ONNX does not read them either.
    """
    if path.suffix != ".onnx" or not path.is_file() or path.stat().st_size > _LARGEST_GRAPH:
        return []
    data = path.read_bytes()
    names = {data[found.end() : found.end() + found[1][0]] for found in _LOCATION.finditer(data)}
    texts = sorted(name.decode("utf-8", "replace") for name in names)
    return [text for text in texts if not Path(text).is_absolute() and ".." not in Path(text).parts]


def sha256_model(path: Path) -> str:
    """The sha256 of a model: of its file or folder, or one over all files that it consists of."""
    files = model_files(path)
    if path.is_dir() or len(files) == 1:
        return sha256_path(path)
    return sha256_text("".join(f"{file.relative_to(path.parent)} {sha256_file(file)}\n" for file in files))
