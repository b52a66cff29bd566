"""The memory of jobs that hold a model, in MB: it follows from the size of the model's file.

Measured with TensorFlow 2.21 on files of 20 MB (SSDLite MobileNet v2) and 74 MB (SSD MobileNet v2): converting to ONNX
took 1560 and 3450 MB; an accuracy pass in TensorFlow with two streams 2350 and 4440 MB, counting in each process what
it shares with the others. The figures here leave about a third more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssdbench.errors import UserError
from ssdbench.files.hashing import files_of
from ssdbench.files.reading import read_json

_UNKNOWN_MB = 40.0  # of a file that is not there yet; Snakemake asks again when the job is about to start


def source_mb(folder: Path) -> float:
    """The size of a model's source as it was fetched into `folder`; a guess where it is not there yet."""
    try:
        file = folder / str(read_json(folder / "source.json")["file"])  # a local file may lie elsewhere
        return max(_size_mb(folder), _size_mb(file))
    except (UserError, OSError, KeyError, TypeError):
        return _UNKNOWN_MB


def artifact_mb(folder: Path) -> float:
    """The size of an artifact's folder; a guess where it is not there yet."""
    try:
        return _size_mb(folder) or _UNKNOWN_MB
    except OSError:
        return _UNKNOWN_MB


def _size_mb(path: Path) -> float:
    return sum(file.stat().st_size for file in files_of(path)) / 2**20 if path.exists() else 0.0


def of_conversion(source: float) -> int:
    """Memory to convert a source of this many MB, and to check the outcome against it."""
    return round(2000 + 45 * source)


def of_quantisation(source: float) -> int:
    """Memory to convert a source of this many MB to int8 with calibration images."""
    return round(5000 + 45 * source)


def of_batching(artifact: float) -> int:
    """Memory to make an artifact of this many MB for another batch."""
    return round(1500 + 45 * artifact)


def of_pass(artifact: float, streams: int) -> int:
    """Memory of an accuracy pass over an artifact of this many MB, in one process more than there are streams."""
    return round(2000 + 1000 * streams + 12 * artifact * (streams + 1))


def of_table(artifacts: Sequence[float], batch: int, streams: int) -> int:
    """Memory of a round of a table's timing: of its largest artifact, and of the sessions of the others beside it.

    Measured with the eleven cells of the default run: 2.4 GB.
    """
    largest, *others = sorted(artifacts, reverse=True)
    of_images = 200 * batch * streams
    one = 2800 + of_images + 12 * largest * (streams + 1)
    return round(one + sum(300 + of_images + size * (streams + 1) for size in others))
