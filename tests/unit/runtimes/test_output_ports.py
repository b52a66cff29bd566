"""Which outputs are which, by names and shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssdbench.errors import UserError
from ssdbench.runtimes.output_ports import Ports, find_outputs
from support.runtime_models import FINISHED

MODEL = Path("folder/model.onnx")


def test_outputs_are_told_by_name_in_any_order_and_else_listed() -> None:
    shapes = {f"scope/{name}:0": (1, None) for name in reversed([*FINISHED, "extra"])}
    found = find_outputs(MODEL, shapes)
    assert found.kind == "graph"
    assert found.names == tuple(
        f"scope/{n}:0" for n in ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    )
    for wrong in (
        {},
        {"logits": (1, 1000)},
        {"a": (1, 9, 4), "b": (1, 9, 4)},
        {"a": (1, 9, 4), "b": (1, 8, 91)},
        {"a": (1, 4, 9), "b": (1, 91, 9)},
    ):
        with pytest.raises(UserError, match=r"outputs are .*Needed are box_encodings and class_scores") as raised:
            find_outputs(MODEL, wrong)
        assert all(name in str(raised.value) for name in wrong)


@pytest.mark.parametrize("names", [("box_encodings", "class_scores"), ("x", "y")])
def test_boxes_with_the_coordinates_before_the_anchors_are_refused_in_one_sentence(names: tuple[str, str]) -> None:
    with pytest.raises(UserError, match=r"\[1, 4, 9\], \w+ \[1, 9, 91\] \(boxes \[N, 4, A\] are to be transposed"):
        find_outputs(MODEL, dict(zip(names, ((1, 4, 9), (1, 9, 91)), strict=True)))


@pytest.mark.parametrize(
    ("shapes", "names", "unsure"),
    [
        ({"x": (1, 9, 91), "y": (1, 9, 4)}, ("y", "x"), False),
        # Three classes and background: only the names say which is which.
        ({"class_scores": (1, 9, 4), "box_encodings": (1, 9, 4)}, ("box_encodings", "class_scores"), False),
        ({"confidences": (1, 9, 4), "locations": (1, 9, 4)}, ("locations", "confidences"), False),
        # Names that the shapes contradict.
        ({"box_encodings": (1, 9, 91), "class_scores": (1, 9, 4)}, ("class_scores", "box_encodings"), False),
        # As Core ML, TensorFlow and others have them.
        ({"raw/box_encodings": (1, 9, 1, 4), "raw/class_predictions": (1, 9, 6)},
         ("raw/box_encodings", "raw/class_predictions"), False),
        ({"x": (1, 1, 9, 4), "y": (1, 9, 1, 6)}, ("x", "y"), False),
        ({"x": (9, 4), "y": (9, 6)}, ("x", "y"), False),
        ({"x": (None, None, 4), "y": (None, None, 6)}, ("x", "y"), False),
        # Anchors told by name, by rank, or only by their values.
        ({"anchors": (1, 9, 4), "y": (1, 9, 6), "x": (1, 9, 4)}, ("x", "y", "anchors"), False),
        ({"z": (9, 4), "y": (1, 9, 6), "x": (1, 9, 4)}, ("x", "y", "z"), False),
        ({"z": (1, 9, 4), "y": (1, 9, 6), "x": (1, 9, 4)}, ("z", "y", "x"), True),
    ],
)  # fmt: skip
def test_heads_are_told_by_shape(shapes: dict[str, tuple[int, ...]], names: tuple[str, ...], unsure: bool) -> None:
    assert find_outputs(MODEL, shapes) == Ports("heads", names, unsure)


def test_rows_of_seven_are_finished_detections() -> None:
    assert find_outputs(MODEL, {"detection_out": (1, 1, 100, 7)}) == Ports("graph", ("detection_out",), rows=True)
