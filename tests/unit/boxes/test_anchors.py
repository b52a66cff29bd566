from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssdbench.boxes.anchors import read_anchors, standard_anchors
from ssdbench.errors import UserError


def plain_anchors() -> list[list[float]]:
    """The same anchors from the pipeline's parameters, one at a time."""
    scales = [0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0]
    anchors = []
    for layer, cells in enumerate([19, 10, 5, 3, 2, 1]):
        if layer == 0:
            shapes = [(0.1, 1.0), (0.2, 2.0), (0.2, 0.5)]
        else:
            shapes = [(scales[layer], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 0.3333)]
            shapes.append((math.sqrt(scales[layer] * scales[layer + 1]), 1.0))
        for row in range(cells):
            for column in range(cells):
                for scale, ratio in shapes:
                    y, x = (row + 0.5) / cells, (column + 0.5) / cells
                    h, w = scale / math.sqrt(ratio), scale * math.sqrt(ratio)
                    anchors.append([y - h / 2, x - w / 2, y + h / 2, x + w / 2])
    return anchors


def test_they_follow_the_pipelines_parameters() -> None:
    anchors = standard_anchors()

    assert anchors.dtype == np.float32
    assert anchors.shape == (1917, 4)
    np.testing.assert_allclose(anchors, plain_anchors(), rtol=0, atol=1e-6)


# From the constant Postprocessor/ExpandDims of the ssdlite_mobilenet_v2 checkpoint.
@pytest.mark.parametrize(
    ("row", "corners"),
    [
        (0, [-0.0236842, -0.0236842, 0.0763158, 0.0763158]),
        (1, [-0.0443949, -0.1151056, 0.0970265, 0.1677372]),
        (2, [-0.1151056, -0.0443949, 0.1677372, 0.0970265]),
        (700, [0.5871841, 0.1480523, 0.7286054, 0.430895]),
        (1083, [-0.125, -0.125, 0.225, 0.225]),
        (1084, [-0.0737437, -0.1974874, 0.1737437, 0.2974874]),
        (1087, [-0.253124, -0.0510312, 0.3531241, 0.1510312]),
        (1088, [-0.159165, -0.159165, 0.259165, 0.259165]),
        (1500, [0.5489637, 0.6468912, 0.7510363, 1.253109]),
        (1690, [-0.0767767, -0.0535534, 0.2767767, 0.6535534]),
        (1800, [0.5556625, 0.4669873, 0.8443376, 1.3330127]),
        (1893, [-0.15, 0.35, 0.65, 1.15]),
        (1911, [0.025, 0.025, 0.975, 0.975]),
        (1916, [0.0126603, 0.0126603, 0.9873397, 0.9873397]),
    ],
)
def test_they_are_those_of_the_published_checkpoint(row: int, corners: list[float]) -> None:
    np.testing.assert_allclose(standard_anchors()[row], corners, rtol=0, atol=1e-6)


def test_anchors_are_read_from_npy_and_json(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", standard_anchors()[:3].astype(np.float64))
    (tmp_path / "a.json").write_text(json.dumps(standard_anchors()[:3].tolist()))
    for name in ("a.npy", "a.json"):
        np.testing.assert_array_equal(read_anchors(tmp_path / name), standard_anchors()[:3])


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([[0, 0, 1]], r"shape \(1, 3\); anchors are \[A, 4\]"),
        ([[0, 0, 1, float("nan")]], "all finite"),
        ([[0.5, 0.5, 0.2, 0.2]], "not centre and size"),
        ([[0, 0, 150, 300]], "up to 300: give shares of the image's side and not pixels"),
        (["a"], "cannot be read"),
    ],
)
def test_what_is_no_anchors_is_refused(values: list[Any], sentence: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(values))
    with pytest.raises(UserError, match=sentence):
        read_anchors(tmp_path / "a.npy")
