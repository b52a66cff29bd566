"""Model rows: what a file is fed stands where its format looks for it, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.registry_file import load_registry
from ssdbench.errors import UserError

HEADS = {"image": "image", "box_encodings": "boxes", "class_scores": "scores"}
GIVEN = ["heads", "fp32"]


def load(folder: Path, **keys: Any) -> ModelRow:
    """The row of a model with these keys besides those that every row has."""
    (folder / "model").write_bytes(b"")
    words = {"title": "t", "licence": "l", "trained_on": "t", "input_size": 300}
    row = {**words, "source": {"kind": "local", "path": "model"}, **keys}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"models": {"x": row}}))
    return load_registry([folder / "mine.yaml"], ROOT / "workflow/schemas/registry.schema.yaml").model("x")


def test_the_normalisation_comes_from_input_or_heads_and_of_a_given_file_is_never_guessed(tmp_path: Path) -> None:
    to_one = {"scale": 1 / 255, "offset": 0}
    assert load(tmp_path, format="onnx", given=GIVEN).normalisation is None
    assert load(tmp_path, format="onnx", given=GIVEN, input=to_one).normalisation == Normalisation(1 / 255, 0)
    assert load(tmp_path, format="frozen_graph", heads=HEADS).normalisation == MOBILENET_SSD
    row = load(tmp_path, format="frozen_graph", heads={**HEADS, **to_one})
    assert row.normalisation == Normalisation(1 / 255, 0)
    row = load(tmp_path, format="onnx", given=GIVEN, mean=[127.5] * 3, std=127.5, channel_order="bgr")
    assert row.normalisation is not None
    assert (row.normalisation.ends, row.normalisation.channel_order) == (pytest.approx((-1, 1)), "bgr")


def test_a_given_file_states_its_form_in_keys_of_the_names_of_run_py_s_flags(tmp_path: Path) -> None:
    form = {
        "box_form": "corners",
        "box_order": "xy",
        "box_scale": "pixels",
        "activation": "softmax",
        "background": "none",
    }
    row = load(tmp_path, format="onnx", given=["heads", "int8_dynamic"], input_size=[240, 320], **form)
    assert row.form.stated() == form
    assert (row.size, row.given) == ((240, 320), ("heads", "int8_dynamic"))
    assert load(tmp_path, format="onnx", given=GIVEN).size == (300, 300)


def test_weights_in_a_second_file_must_lie_beside_the_first(tmp_path: Path) -> None:
    (tmp_path / "ir.xml").write_text("<net/>")
    source = {"kind": "local", "path": "ir.xml"}
    with pytest.raises(UserError, match=r"ir\.xml keeps its weights in ir\.bin, which is not beside it"):
        load(tmp_path, format="openvino", given=GIVEN, source=source)
    (tmp_path / "ir.bin").write_bytes(b"")
    assert load(tmp_path, format="openvino", given=GIVEN, source=source).format == "openvino"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"format": "onnx", "given": GIVEN, "heads": HEADS},
            r"models\.x\.heads means nothing .* onnx: .*`mean` and `std`",
        ),
        ({"format": "tflite", "given": GIVEN, "heads": HEADS}, r"models\.x\.heads means nothing for the format tflite"),
        ({"format": "tfjs", "heads": HEADS, "given": GIVEN}, r"models\.x\.given means nothing .*leave it out"),
        (
            {"format": "tfjs", "heads": HEADS, "input": {"scale": 1, "offset": 0}},
            r"models\.x\.input means nothing .* `heads\.scale` and `heads\.offset`",
        ),
        ({"format": "onnx", "given": GIVEN, "mean": 0}, r"models\.x states its input by halves or twice"),
        (
            {"format": "onnx", "given": GIVEN, "mean": 0, "std": 1, "input": {"scale": 1, "offset": 0}},
            r"models\.x states its input by halves or twice",
        ),
        ({"format": "onnx", "given": GIVEN, "channel_order": "bgr"}, r"channel_order needs `mean` and `std`"),
        ({"format": "tfjs", "heads": HEADS, "activation": "sigmoid"}, r"models\.x\.activation means nothing"),
        (
            {"format": "onnx", "given": ["graph", "fp32"], "box_form": "corners"},
            r"box_form means nothing for a finished",
        ),
        ({"format": "onnx", "given": GIVEN, "background": "middle"}, r"models\.x\.background"),
        ({"format": "onnx", "given": GIVEN, "input": {"scale": 1}}, r"models\.x\.input lacks the key 'offset'"),
        ({"format": "tfjs", "heads": HEADS, "box_coder": [1, 1, 1, 1]}, r"models\.x\.box_coder .* `heads\.box_coder`"),
        ({"format": "onnx", "given": GIVEN, "anchors": "gone.npy"}, r"anchors is gone\.npy, and there is no such file"),
        ({"format": "onnx", "given": ["graph", "fp32"], "anchors": "model"}, r"anchors means nothing for a finished"),
        ({"format": "tfjs", "heads": {**HEADS, "anchors": "a"}, "anchors": "model"}, r"models\.x names anchors twice"),
        ({"format": "tfjs", "heads": HEADS, "class_ids": ["1-90"]}, r"class_ids begins with 1, .*: begin with null"),
        ({"format": "onnx", "given": GIVEN, "class_ids": ["9-3"]}, r"class_ids has the range 9-3, which ends before"),
    ],
)
def test_a_key_that_the_format_would_ignore_is_refused(keys: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        load(tmp_path, **keys)
    assert str(tmp_path / "mine.yaml") in str(caught.value)


def test_class_ids_are_numbers_and_ranges_and_anchors_lie_beside_the_row(tmp_path: Path) -> None:
    row = load(tmp_path, format="onnx", given=GIVEN, class_ids=["1-3", 5, "7-8", 0], anchors="model")
    assert row.class_ids == (1, 2, 3, 5, 7, 8, 0)
    assert row.anchors == tmp_path / "model"
    assert load(tmp_path, format="onnx", given=GIVEN).class_ids == ()
    assert load(tmp_path, format="onnx", given=GIVEN, class_ids=[None, 0, "5-6"]).class_ids == (None, 0, 5, 6)


def test_labels_are_class_names_by_number_behind_the_background(tmp_path: Path) -> None:
    def labels(value: Any) -> tuple[str | None, ...]:
        return load(tmp_path, format="onnx", given=GIVEN, labels=value).labels

    for value in (["cat", "dog"], [None, "cat", "dog"], ["background", "cat", "dog"], ["???", "cat", "dog"]):
        assert labels(value) == (None, "cat", "dog")
    coco = labels("coco")
    assert (len(coco), coco[1], coco[90]) == (91, "person", "toothbrush")
    assert load(tmp_path, format="onnx", given=GIVEN).labels == ()
