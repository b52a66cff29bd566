"""The row that --inspect prints is one that the registry reads, with all that was stated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from conftest import ROOT
from ssdbench.boxes.output_form import OutputForm
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.registry_file import load_registry
from ssdbench.catalog.statement import FormStatement
from ssdbench.inspection.look import Stated, look_at
from ssdbench.inspection.registry_row import registry_row
from ssdbench.runtimes.input_form import BY_TYPE, InputForm
from support.simulated_heads import Replay, in_form, simulated

SIZE = (120, 160)
PIXELS = [np.zeros((*SIZE, 3), np.uint8)] * 4


def printed(path: Path, stated: Stated, form: OutputForm, dtype: str = "uint8", **files: Path) -> str:
    fed = stated.normalisation or Normalisation(1, 0)
    found_by = BY_TYPE if dtype == "uint8" else "stated" if stated.normalisation else ""
    session = Replay(
        in_form(simulated(), form, SIZE), InputForm("x", 1, SIZE, False, None, f"{dtype} x", fed, found_by)
    )
    return registry_row(path, "fp32", session, stated, look_at(session, stated, PIXELS), files)


def read(row: str, folder: Path) -> ModelRow:
    (folder / "mine.yaml").write_text(row)
    schema = ROOT / "workflow/schemas/registry.schema.yaml"
    ((name, _),) = yaml.safe_load(row)["models"].items()
    return load_registry([folder / "mine.yaml"], schema).model(name)


@pytest.mark.parametrize("name", ["detector.onnx", "my model: v2, [a] 'b' # c.onnx", "12.onnx", "größe.onnx"])
def test_all_that_is_stated_comes_back_from_the_row(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    np.save(tmp_path / "anchors.npy", np.zeros((1, 4)))
    stated = Stated(
        FormStatement(box_form="encodings", activation="sigmoid", background="first"),
        Normalisation.of_mean_and_std([123.675, 116.28, 103.53], [58.395, 57.12, 57.375], "bgr"),
        box_coder=(10.0, 10.0, 5.0, 5.0),
        class_ids=(None, 1, 2, 3, 4, 5, 6, 17),
    )
    row = read(
        printed(path, stated, OutputForm(activation="sigmoid"), "float32", anchors=tmp_path / "anchors.npy"), tmp_path
    )
    assert row.source.path == str(path)
    assert (row.format, row.given, row.input_size) == ("onnx", ("heads", "fp32"), SIZE)
    assert row.form == stated.form
    assert row.normalisation.channel_order == "bgr"
    assert row.normalisation.mean == pytest.approx([123.675, 116.28, 103.53], abs=1e-3)
    assert row.normalisation.std == pytest.approx([58.395, 57.12, 57.375], abs=1e-3)
    assert (row.box_coder, row.class_ids, row.anchors) == (
        stated.box_coder,
        stated.class_ids,
        tmp_path / "anchors.npy",
    )


def test_names_come_back_from_the_row(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").touch()
    labels = (None, "person", "hot dog", "no", "7", "ß", "", "yes: no")
    assert read(printed(tmp_path / "x.onnx", Stated(labels=labels), OutputForm()), tmp_path).labels == labels


def test_what_is_missing_is_to_be_filled_in(tmp_path: Path) -> None:
    row: dict[str, Any] = yaml.safe_load(
        printed(tmp_path / "x.onnx", Stated(), OutputForm(activation="sigmoid"), "float32")
    )["models"]["x"]
    assert [key for key, value in row.items() if value == "FILL IN"] == ["mean", "std", "activation"]
