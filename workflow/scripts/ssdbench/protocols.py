"""Protocols: how pixels go in and how boxes come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ssdbench.errors import UserError


@dataclass(frozen=True)
class Protocol:
    """One way to measure. Only cells of the same protocol are compared.

    graph_kind: `heads` or `graph`. frameworks: those it is defined for, empty for all. input_size: pixels of the
    square that is fed, 0 for the model's own. channel_order: `rgb` or `bgr`. summary: one sentence for readers.
    differences: what separates it from the protocol `heads`, for the published rows.
    """

    name: str
    graph_kind: str
    summary: str
    frameworks: tuple[str, ...] = ()
    input_size: int = 0
    channel_order: Literal["rgb", "bgr"] = "rgb"
    differences: tuple[str, ...] = ()


def protocol(name: str) -> Protocol:
    """The protocol of that name. Raises UserError where there is none."""
    rows = {row.name: row for row in _protocols()}
    if name not in rows:
        raise UserError(f"There is no protocol {name!r}; there are {', '.join(rows)}.")
    return rows[name]


def _protocols() -> tuple[Protocol, ...]:
    own_nms = "non-maximum suppression inside the graph, which drops what scores 0.3 or less"
    bgr = "pixels fed in the order blue, green, red, although the checkpoint was trained on red, green, blue"
    return (
        Protocol(
            "heads",
            "heads",
            "RGB pixels at the model's input size; every framework returns raw heads, and one decode and "
            "per-class non-maximum suppression outside serves all of them.",
        ),
        Protocol(
            "graph",
            "graph",
            "RGB pixels at the model's input size into the finished graph, with its own non-maximum suppression.",
            differences=(own_nms,),
        ),
        Protocol(
            "published_tf",
            "graph",
            "As published for TensorFlow: BGR pixels at 300x300 into the frozen graph.",
            frameworks=("tensorflow",),
            input_size=300,
            channel_order="bgr",
            differences=(bgr, own_nms),
        ),
        Protocol(
            "published_tflite",
            "graph",
            "As published for TensorFlow Lite: BGR pixels at 300x300 into a graph with its post-processing op.",
            frameworks=("tflite",),
            input_size=300,
            channel_order="bgr",
            differences=(bgr, own_nms, "boxes are not clipped to the image"),
        ),
        Protocol(
            "published_ort",
            "graph",
            "As published for ONNX Runtime: RGB pixels at 640x640, which the graph resizes again to 300x300.",
            frameworks=("onnxruntime",),
            input_size=640,
            differences=("pixels resized twice, to 640x640 outside and to 300x300 inside the graph", own_nms),
        ),
        Protocol(
            "published_ort300",
            "graph",
            "As named for ONNX Runtime's variant: RGB pixels at 300x300 into the finished graph.",
            frameworks=("onnxruntime",),
            input_size=300,
            differences=(own_nms,),
        ),
    )
