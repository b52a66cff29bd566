"""Model rows: what a file is fed stands where its format looks for it, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from ssdbench.errors import UserError
from ssdbench.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.registry import ModelRow, load_registry

HEADS = {"image": "image", "box_encodings": "boxes", "class_scores": "scores"}
GIVEN = ["heads", "fp32"]


def load(folder: Path, **keys: Any) -> ModelRow:
    """The row of a model with these keys besides those that every row has."""
    (folder / "model").write_bytes(b"")
    words = {"title": "t", "licence": "l", "trained_on": "t", "input_size": 300}
    row = {**words, "source": {"kind": "local", "path": "model"}, **keys}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"models": {"x": row}}))
    return load_registry([folder / "mine.yaml"], ROOT / "workflow/schemas/registry.schema.yaml").model("x")


def test_the_normalisation_comes_from_input_or_heads_and_is_else_that_of_every_mobilenet_ssd(tmp_path: Path) -> None:
    to_one = {"scale": 1 / 255, "offset": 0}
    assert load(tmp_path, format="onnx", given=GIVEN).normalisation == MOBILENET_SSD
    assert load(tmp_path, format="onnx", given=GIVEN, input=to_one).normalisation == Normalisation(1 / 255, 0)
    assert load(tmp_path, format="frozen_graph", heads=HEADS).normalisation == MOBILENET_SSD
    row = load(tmp_path, format="frozen_graph", heads={**HEADS, **to_one})
    assert row.normalisation == Normalisation(1 / 255, 0)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"format": "onnx", "given": GIVEN, "heads": HEADS}, r"models\.x\.heads means nothing .* onnx: .*`input: "),
        ({"format": "tflite", "given": GIVEN, "heads": HEADS}, r"models\.x\.heads means nothing for the format tflite"),
        ({"format": "tfjs", "heads": HEADS, "given": GIVEN}, r"models\.x\.given means nothing .*leave it out"),
        (
            {"format": "tfjs", "heads": HEADS, "input": {"scale": 1, "offset": 0}},
            r"models\.x\.input means nothing .* `heads\.scale` and `heads\.offset`",
        ),
        ({"format": "onnx", "given": GIVEN, "input": {"scale": 1}}, r"models\.x\.input lacks the key 'offset'"),
    ],
)
def test_a_key_that_the_format_would_ignore_is_refused(keys: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        load(tmp_path, **keys)
    assert str(tmp_path / "mine.yaml") in str(caught.value)
