"""Real weights in every form: what is stated gives the same AP, and what is not is told rightly or asked for."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from itertools import cycle, product
from pathlib import Path

import numpy as np
import pytest

import run
from conftest import CocoSample
from ssdbench.boxes.output_form import OutputForm
from ssdbench.catalog.statement import FORM_VALUES
from ssdbench.errors import UserError
from support.onnx_forms import INPUTS, MEAN_AND_STD, write_form
from support.project import Project

pytestmark = pytest.mark.slow
IMAGES = 8

FORMS = [
    OutputForm(box_form, order, scale, activation, background)  # type: ignore[arg-type]
    for box_form, order, scale, activation, background in product(*FORM_VALUES.values())
    if not (box_form == "encodings" and scale == "pixels")
    if not (activation == "softmax" and background == "none")  # a softmax over classes alone has no background
]
# Each form with one of the inputs, so that each input comes with each value of each key.
CASES = list(zip(FORMS, cycle(product(INPUTS, (False, True)))))


@pytest.fixture(scope="module")
def source(default_run: Project) -> Path:
    return default_run.folder / "resources/models/ssdlite_mobilenet_v2/artifacts/heads/onnxruntime/fp32/model.onnx"


@pytest.fixture(scope="module")
def eight(coco_sample: CocoSample, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The flags that name eight images and their annotations."""
    whole = json.loads(coco_sample.annotations.read_text())
    images = sorted(whole["images"], key=lambda image: image["id"])[:IMAGES]
    ids = {image["id"] for image in images}
    own = [one for one in whole["annotations"] if one["image_id"] in ids]
    path = tmp_path_factory.mktemp("eight") / "instances.json"
    path.write_text(json.dumps({**whole, "images": images, "annotations": own}))
    return ["--images_path", str(coco_sample.images), "--anno_path", str(path), "--num_runs", str(IMAGES)]


def ap(model: Path, *flags: str) -> float:
    arguments = ["-m", str(model), "-f", "onnxruntime", "-p", "fp32", *flags]
    words = run.run(run.parse_arguments(arguments, {}))
    assert f"over {IMAGES} images" in words
    return float(re.search(r"^AP +([\d.]+)$", words, flags=re.M)[1])  # type: ignore[index]


@pytest.fixture(scope="module")
def right(source: Path, eight: list[str]) -> float:
    return ap(source, *eight)


@pytest.mark.parametrize(("form", "given"), CASES, ids=str)
def test_every_form_has_the_right_ap_or_is_asked_for(
    form: OutputForm, given: tuple[str, bool], source: Path, right: float, eight: list[str], tmp_path: Path
) -> None:
    fed, channels_first = given
    anchors = np.array(json.loads((source.parent / "card.json").read_text())["anchors"], np.float32)
    model = tmp_path / "theirs.onnx"
    write_form(source, anchors, form, fed, channels_first, model)
    keys = [item for key, value in asdict(form).items() for item in (f"--{key}", value)]
    if fed != "uint8":
        mean, std = MEAN_AND_STD[fed]
        keys += ["--mean", *map(str, mean), "--std", *map(str, std)]
    # A softmax over logarithms is not quite the sigmoid's score: the weights were trained without it.
    tolerance = 0.02 if form.activation == "softmax" else 0.003
    assert ap(model, *eight, *keys) == pytest.approx(right, abs=tolerance)
    try:
        unstated = ap(model, *eight)
    except UserError as error:
        assert "does not tell all that is needed" in str(error)
        asked = set(re.findall(r"set --(\w+)", str(error)))
        expected = {"mean"} if fed != "uint8" else set()
        expected |= {"activation"} if form.activation != "none" else set()
        assert expected <= asked
        assert expected
        # Of pixels in a range that nobody stated, the values tell less.
        assert asked == expected or "mean" in asked
    else:
        assert (fed, form.activation) == ("uint8", "none")
        assert unstated == pytest.approx(right, abs=tolerance)
