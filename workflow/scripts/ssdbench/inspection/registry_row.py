"""The registry row of a model file, to paste: what was found, and what is to be filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from ssdbench.catalog.statement import FORM_VALUES
from ssdbench.inspection.look import Look, Stated
from ssdbench.runtimes.base import Session


def registry_row(
    path: Path, precision: str, session: Session, stated: Stated, look: Look, files: Mapping[str, Path]
) -> str:
    """The row as YAML. files: other files of the row by key, such as anchors."""
    suffixes = {".tflite": "tflite", ".onnx": "onnx", ".xml": "openvino"}
    is_cut = path.suffix not in suffixes
    formats = {**suffixes, ".pb": "frozen_graph"}
    height, width = session.input_size or (300, 300)
    name = re.sub("[^A-Za-z0-9_.-]", "_", path.stem).lstrip("_.-") or "model"
    lines = [
        "models:",
        f"  {_text(name)}:",
        f"    title: {_text(path.stem)}",
        f"    source: {{kind: local, path: {_text(path.resolve())}}}",
        f"    format: {formats.get(path.suffix, 'saved_model')}",
        *([] if is_cut else [f"    given: [{session.graph_kind}, {precision}]"]),
        f"    input_size: {height if height == width else f'[{height}, {width}]'}",
        "    licence: unknown",
        "    trained_on: unknown",
    ]
    if is_cut:
        boxes, scores = session.ports.names[:2] if session.graph_kind == "heads" else ("FILL IN", "FILL IN")
        lines += [
            "    heads:   # nodes; everything is converted from the part between them",
            "      image: FILL IN   # the normalised image",
            f"      box_encodings: {boxes}",
            f"      class_scores: {scores}",
        ]
        return "\n".join(lines)
    fed = stated.normalisation
    if fed is not None:
        lines += [f"    mean: {_listed(fed.mean)}", f"    std: {_listed(fed.std)}"]
        lines += [f"    channel_order: {fed.channel_order}"] if fed.channel_order != "rgb" else []
    lines += [f"    {key}: {value}" for key, value in stated.form.stated().items()]
    if stated.box_coder:
        lines.append(f"    box_coder: {_listed(stated.box_coder)}")
    lines += [f"    {key}: {_text(file.resolve())}" for key, file in files.items()]
    lines += [f"    {key}: {json.dumps(items)}" for key in ("class_ids", "labels") if (items := getattr(stated, key))]
    for missing in look.missing:
        if missing.key == "mean":
            lines += ["    mean: FILL IN   # in pixel units, one or three numbers", "    std: FILL IN"]
        elif missing.key == "class_ids":
            lines.append("    class_ids: FILL IN   # the category's id of each class number, from number 0 on")
        elif missing.key == "box_coder":
            lines.append("    box_coder: FILL IN   # what ty, tx, th, tw are divided by, such as [10, 10, 5, 5]")
        elif missing.key in FORM_VALUES:
            lines.append(f"    {missing.key}: FILL IN   # {', '.join(FORM_VALUES[missing.key])}")
        else:
            lines.append(f"    {missing.key}: FILL IN   # a .json or .npy file of [A, 4] ymin, xmin, ymax, xmax")
    return "\n".join(lines)


def _text(value: object) -> str:
    """Text as YAML takes it within braces: in quotes if it would be read as something else without."""
    text = str(value)
    try:
        is_plain = yaml.safe_load(f"[{text}]") == [text]
    except yaml.YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text)


def _listed(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(set(values)) == 1 else "[" + ", ".join(f"{value:.6g}" for value in values) + "]"
