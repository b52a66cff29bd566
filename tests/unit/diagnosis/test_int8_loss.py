"""What is said of an int8 cell that no usual cause explains."""

from __future__ import annotations

from typing import Any

import pytest

from ssdbench.diagnosis.explain import Explanation
from ssdbench.diagnosis.int8_loss import int8_loss

LAYERS = [
    {"layer": f"model/FeatureExtractor/MobilenetV2/expanded_conv_{n}/project/BatchNorm/x", "loss": 0.1 / n,
     "share": 0.5 / n, "cut": 0.0}
    for n in range(1, 13)
]  # fmt: skip
SOUND = {
    "weight_bits": 8, "weights": "per channel", "in_floats": [], "cut": 0.0, "calibration_images": 100,
    "loss_images": 8, "layers": LAYERS,
}  # fmt: skip


def card(**facts: Any) -> dict[str, Any]:
    return {"quantisation": {**SOUND, **facts}, "int8_share": 0.9}


def test_a_file_that_is_not_int8_or_was_not_made_here_says_nothing() -> None:
    assert int8_loss({"quantisation": None}) is None
    assert int8_loss({}) is None
    assert Explanation("reference", "No usual cause fits.").with_int8(None, True).sentence == "No usual cause fits."


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"weight_bits": 7}, "weights in 7 bits"),
        ({"weights": "per tensor"}, "weights quantised per tensor"),
        ({"cut": 0.02}, "cut off 2.00% of the values"),
        ({"calibration_images": 4}, "only 4 calibration images"),
        ({"in_floats": ["a", "b"]}, "2 layers left in floats"),
    ],
)
def test_what_is_special_about_a_file_is_named(facts: dict[str, Any], words: str) -> None:
    loss = int8_loss(card(**facts))
    assert loss is not None and len(loss.special) == 1
    assert words in loss.sentence


def test_the_three_worst_layers_are_named_and_ten_are_kept() -> None:
    loss = int8_loss(card())
    assert loss is not None
    assert (
        "expanded_conv_1/project (50%), expanded_conv_2/project (25%), expanded_conv_3/project (17%)." in loss.sentence
    )
    assert "expanded_conv_4" not in loss.sentence
    assert loss.special == () and "Nothing is special" in loss.sentence
    assert len(loss.layers) == 10


def test_the_layers_follow_where_no_usual_cause_fits_and_are_kept_where_one_does() -> None:
    loss = int8_loss(card(weight_bits=7))
    unexplained = Explanation("reference", "No usual cause fits: none explains more than 0%.").with_int8(
        loss, departs=True
    )
    assert unexplained.sentence.startswith("No usual cause fits. Special about its file: weights in 7 bits")
    found = Explanation("reference", "Looks like BGR.", ("bgr",)).with_int8(loss, departs=True)
    assert found.sentence == "Looks like BGR."
    assert found.int8 == unexplained.int8 == loss
    # its ladder departs, but its detections hardly do: then no cause was tried
    untried = Explanation().with_int8(loss, departs=True)
    assert (untried.asked, untried.sentence[:7]) == ("reference", "Special")
    agrees = Explanation().with_int8(loss, departs=False)
    assert (agrees.asked, agrees.sentence, agrees.int8) == ("", loss.sentence, loss)
    low = Explanation("expected", "AP is 0.02 below the expected 0.3.").with_int8(loss, departs=True)
    assert low.sentence.startswith("AP is 0.02 below the expected 0.3. Special about its file")
