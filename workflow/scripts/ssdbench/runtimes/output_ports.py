"""Which outputs of a model file are which: heads, with or without anchors, or finished detections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ssdbench.errors import UserError
from ssdbench.runtimes.input_form import Shape, shape_text

GraphKind = Literal["heads", "graph"]

HEADS_OUTPUTS = ("box_encodings", "class_scores")
GRAPH_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")

_ANCHORS = re.compile(r"anchor|prior|default_?box", re.I)
_BOXES = re.compile(r"box|loc|reg|delta|coord", re.I)
_SCORES = re.compile(r"score|class|cls|conf|prob|logit", re.I)


@dataclass(frozen=True)
class Ports:
    """The outputs of a file by their meaning.

    kind: the graph kind. names: in the order of HEADS_OUTPUTS, the anchors third where the file gives them, or of
    GRAPH_OUTPUTS; `rows`: the one output of OpenVINO's DetectionOutput, [1, 1, K, 7]. unsure: whether boxes and
    anchors may be the other way round, which only their values tell.
    """

    kind: GraphKind
    names: tuple[str, ...]
    unsure: bool = False
    rows: bool = False


def find_outputs(path: Path, outputs: Mapping[str, Shape]) -> Ports:
    """Tell a file's graph kind from its outputs {name: shape}, and which is which.

    Names decide (the last part of a path, without ":0"); where they do not, outputs [N, A, 4] and [N, A, C] are heads,
    and another [A, 4] or [1, A, 4] beside them are their anchors. A dimension of 1 within counts for nothing.

    Raises:
        UserError: they are neither; it lists what was found.
    """
    plain = {name.split(":")[0].rsplit("/", 1)[-1]: name for name in outputs}
    if all(name in plain for name in GRAPH_OUTPUTS):
        return Ports("graph", tuple(plain[name] for name in GRAPH_OUTPUTS))
    if all(name in plain for name in HEADS_OUTPUTS) and _last(outputs[plain[HEADS_OUTPUTS[0]]]) in (4, None):
        return Ports("heads", tuple(plain[name] for name in HEADS_OUTPUTS))
    if len(outputs) == 1:
        ((name, shape),) = outputs.items()
        if len(shape) == 4 and shape[3] == 7 and shape[:2] in ((1, 1), (None, 1)):
            return Ports("graph", (name,), rows=True)
    if len(outputs) in (2, 3) and (ports := _heads(outputs)):
        return ports
    found = ", ".join(f"{name} {shape_text(shape)}" for name, shape in outputs.items()) or "none"
    if any(len(shape) == 3 and shape[1] == 4 and shape[2] != 4 for shape in outputs.values()):
        found += " (boxes [N, 4, A] are to be transposed in the file)"
    raise UserError(
        f"{path} is not an SSD that can be run: its outputs are {found}. Needed are "
        f"{' and '.join(HEADS_OUTPUTS)} ([N, A, 4] and [N, A, classes], and anchors [1, A, 4] if the file gives them), "
        f"or {', '.join(GRAPH_OUTPUTS)}."
    )


def _heads(outputs: Mapping[str, Shape]) -> Ports | None:
    plain = {name: _plain(shape) for name, shape in outputs.items()}
    fours = [name for name, shape in plain.items() if shape is not None and shape[-1] == 4]
    others = [name for name in outputs if name not in fours]
    if len(others) == 0:  # three classes and a background: only names say which of the two are the scores
        others = [name for name in fours if _SCORES.search(name) and not _BOXES.search(name)]
        fours = [name for name in fours if name not in others]
    if len(others) != 1 or plain[others[0]] is None or len(fours) != len(outputs) - 1:
        return None
    counts = {shape[-2] for shape in plain.values() if shape is not None} - {None}
    if len(counts) > 1:
        return None
    scores = others[0]
    if len(fours) == 1:
        return Ports("heads", (fours[0], scores))
    anchors = [name for name in fours if _ANCHORS.search(name)] or [name for name in fours if len(outputs[name]) == 2]
    if len(anchors) == 1:
        (boxes,) = (name for name in fours if name not in anchors)
        return Ports("heads", (boxes, scores, anchors[0]))
    return Ports("heads", (fours[0], scores, fours[1]), unsure=True)


def _last(shape: Shape) -> int | None:
    return shape[-1] if shape else None


def _plain(shape: Shape) -> Shape | None:
    """[N, A, C] of [N, A, C], [N, A, 1, C] or [N, 1, A, C], and [A, C] of itself; None for another shape."""
    if len(shape) == 4 and 1 in shape[1:3]:
        return (shape[0], shape[2] if shape[1] == 1 else shape[1], shape[3])
    return shape if len(shape) in (2, 3) else None
