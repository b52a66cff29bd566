"""What the files of all frameworks share: which inputs are images, and which outputs are which."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.errors import UserError
from ssdbench.runtimes.base import find_outputs, input_form
from support.runtime_models import FINISHED

MODEL = Path("folder/model.onnx")


def test_int8_inputs_are_fed_their_normalisation_through_their_own_scale() -> None:
    inputs = {"image": ("int8", (1, 8, 8, 3))}
    zero_to_one = Normalisation(1 / 255, 0)
    table = input_form(MODEL, inputs, zero_to_one, (1 / 255, -128)).table
    assert table is not None
    assert table.tolist() == list(range(-128, 128))
    with pytest.raises(UserError, match=r"holds numbers from 0 to 1, which pixel \* 2/255 - 1 exceeds: .* `input`"):
        input_form(MODEL, inputs, MOBILENET_SSD, (1 / 255, -128))
    # Calibration on dull images leaves out a little at both ends.
    assert input_form(MODEL, inputs, MOBILENET_SSD, (1.8 / 255, 0)).table is not None


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"a": ("uint8", (1, 8, 8, 3)), "b": ("uint8", (1, 8, 8, 3))},
        {"text": ("string", (1,))},
        {"image": ("uint8", (1, 8, 8, 1))},
        {"image": ("uint8", (1, 8, 6, 3))},
        {"image": ("int64", (1, 8, 8, 3))},
        {"image": ("int8", (1, 8, 8, 3))},
    ],
)
def test_inputs_that_are_no_pixels_are_listed(inputs: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    with pytest.raises(UserError) as raised:
        input_form(MODEL, inputs, MOBILENET_SSD)
    assert str(MODEL) in str(raised.value)
    assert all(name in str(raised.value) and dtype in str(raised.value) for name, (dtype, _) in inputs.items())


def test_outputs_are_told_by_name_in_any_order_and_else_listed() -> None:
    shapes = {f"scope/{name}:0": (1, None) for name in reversed([*FINISHED, "extra"])}
    kind, names = find_outputs(MODEL, shapes)
    assert kind == "graph"
    assert names == tuple(
        f"scope/{n}:0" for n in ("detection_boxes", "detection_classes", "detection_scores", "num_detections")
    )
    assert find_outputs(MODEL, {"x": (1, 9, 91), "y": (1, 9, 4)}) == ("heads", ("y", "x"))
    # Three classes and background: only the names say which is which.
    assert find_outputs(MODEL, {"class_scores": (1, 9, 4), "box_encodings": (1, 9, 4)}) == (
        "heads",
        ("box_encodings", "class_scores"),
    )
    for wrong in ({}, {"logits": (1, 1000)}, {"a": (1, 9, 4), "b": (1, 9, 4)}):
        with pytest.raises(UserError, match=r"outputs are .*Needed are box_encodings and class_scores") as raised:
            find_outputs(MODEL, wrong)
        assert all(name in str(raised.value) for name in wrong)
