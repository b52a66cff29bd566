"""Protocols: how pixels go in and how boxes come out. What the report says of them is in protocols.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ssdbench.errors import UserError


@dataclass(frozen=True)
class Protocol:
    """One way to measure. Only cells of the same protocol are compared.

    graph_kind: `heads` or `graph`. frameworks: those it is defined for, empty for all. input_size: pixels of the
    square that is fed, 0 for the model's own. channel_order: of the pixels that are fed.
    """

    name: str
    graph_kind: str
    frameworks: tuple[str, ...] = ()
    input_size: int = 0
    channel_order: Literal["rgb", "bgr"] = "rgb"


def protocol(name: str) -> Protocol:
    """The protocol of that name. Raises UserError where there is none."""
    rows = {
        row.name: row
        for row in (
            Protocol("heads", "heads"),
            Protocol("graph", "graph"),
            Protocol("published_tf", "graph", ("tensorflow",), 300, "bgr"),
            Protocol("published_tflite", "graph", ("tflite",), 300, "bgr"),
            Protocol("published_ort", "graph", ("onnxruntime",), 640),
            Protocol("published_ort300", "graph", ("onnxruntime",), 300),
        )
    }
    if name not in rows:
        raise UserError(f"There is no protocol {name!r}; there are {', '.join(rows)}.")
    return rows[name]
