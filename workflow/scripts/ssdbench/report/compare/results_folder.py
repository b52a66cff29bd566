"""A results folder as `compare` takes it: the cells in it with what their comparison needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssdbench.coco.image_list import read_image_list
from ssdbench.errors import UserError
from ssdbench.evaluation.bootstrap import Draws, from_record
from ssdbench.files.hashing import sha256_file
from ssdbench.files.origin import damaged
from ssdbench.files.reading import read_json
from ssdbench.report.words import CELL_WORDS


def read_results(folder: Path) -> dict[Cell, Measured]:
    """The cells of a results folder, or of one dataset tag's folder in it, in the order of their names.

    Raises:
        UserError: there is no such folder, no run.json in it, or a file in it is broken.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder} is not a folder. Give a results folder, such as results, or that of one dataset tag, such as "
            "results/local."
        )
    cells: dict[Cell, Measured] = {}
    images: dict[Path, Mapping[int, str] | None] = {}
    for file in sorted([*folder.glob("*/*/*/*/run.json"), *folder.glob("*/*/*/*/*/run.json")]):
        run = _run(file)
        cell = tuple(run["cell"][word] for word in CELL_WORDS)
        if cell in cells:
            raise UserError(f"{folder} holds {'/'.join(cell)} twice, once in {file.parent}. Remove one of them.")
        tag = file.parents[4]
        if tag not in images:
            images[tag] = _images(tag / "images.json")
        cells[cell] = Measured(run, images[tag], _detections(run, file.parent), _draws(file.parent / "replicates.json"))
    if not cells:
        raise UserError(f"{folder} holds no run.json of a cell. Give a folder that a run has filled.")
    return cells


def _run(file: Path) -> Mapping[str, Any]:
    run = read_json(file)
    cell = run.get("cell") if isinstance(run, dict) else None
    words = [cell.get(word) for word in CELL_WORDS] if isinstance(cell, dict) else []
    if not words or not all(isinstance(text, str) for text in [*words, run.get("status")]):
        raise damaged(file, "is not the record of a cell")
    return dict(run)


def _images(file: Path) -> Mapping[int, str] | None:
    return {image.id: image.sha256 for image in read_image_list(file).images} if file.is_file() else None


def _detections(run: Mapping[str, Any], folder: Path) -> str:
    """The hash of the detections; empty where the cell did not detect: its file is then empty or of another run."""
    file, detect = folder / "detections.json", run.get("detect")
    has_detected = isinstance(detect, dict) and detect.get("status") == "ok"
    try:
        return sha256_file(file) if has_detected and file.is_file() else ""
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error


def _draws(file: Path) -> Draws | None:
    if not file.is_file():
        return None
    record = read_json(file)
    try:
        return from_record(record) if record["status"] == "ok" else None
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(file, "does not hold replicates") from error


Cell = tuple[str, ...]  # the five words


@dataclass(frozen=True)
class Measured:
    """A cell of one results folder.

    run: its run.json. images: sha256 by image id, None where the list is not there. detections_sha256: of the file,
    empty where the cell did not detect. draws: None where it was not bootstrapped.
    """

    run: Mapping[str, Any]
    images: Mapping[int, str] | None = None
    detections_sha256: str = ""
    draws: Draws | None = None

    def part(self, name: str) -> Mapping[str, Any]:
        """A part of the run.json; empty where there is none."""
        return _mapping(self.run.get(name))

    def number(self, part: str, key: str) -> float | None:
        """A figure of a part; None where there is none."""
        inner = self.part(part)
        value = _mapping(inner["metrics"]).get(key) if part == "metrics" and "metrics" in inner else inner.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
