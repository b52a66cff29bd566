"""What is special about an int8 cell's file, and which of its layers lose most, as its card says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ssdbench.conversion.layer_losses import short_name

_NAMED, _LISTED = 3, 10  # layers in the sentence, and in the record
_FEW_IMAGES = 50  # with 100, ranges of other images of COCO differ by less than a step
_MUCH_CUT = 1e-4  # of all values: what calibration on 100 images leaves outside the ranges is a thousandth of that
_LITTLE_INTEGER = 0.5  # of the operators


@dataclass(frozen=True)
class LayerLoss:
    """A layer's part of the loss. name: short, for people. layer: in full, as in the card.

    loss: squared error relative to the squared output, both on the inputs that the layer gets in the int8 network.
    share: of the sum over all layers. cut: the share of its values that its integers cannot stand for.
    """

    name: str
    layer: str
    loss: float
    share: float
    cut: float


@dataclass(frozen=True)
class Int8Loss:
    """special: what is special about the file, in words. layers: those that lose most, the worst first."""

    special: tuple[str, ...]
    layers: tuple[LayerLoss, ...]

    @property
    def sentence(self) -> str:
        """Both in words."""
        worst = [f"{layer.name} ({layer.share:.0%})" for layer in self.layers[:_NAMED]]
        said = f"Special about its file: {'; '.join(self.special)}." if self.special else (
            "Nothing is special about its file: weights in 8 bits per channel, enough calibration images."
        )  # fmt: skip
        return f"{said} The layers with the largest share of the quantisation error: {', '.join(worst)}."


def int8_loss(card: Mapping[str, Any]) -> Int8Loss | None:
    """What the card of an int8 artifact says; None if it is of another precision or was not made here."""
    facts = card.get("quantisation")
    if not facts:
        return None
    layers = tuple(LayerLoss(short_name(one["layer"]), **one) for one in facts["layers"][:_LISTED])
    return Int8Loss(tuple(_special(facts, card["int8_share"])), layers)


def _special(facts: Mapping[str, Any], int8_share: float) -> list[str]:
    images, floats = facts["calibration_images"], len(facts["in_floats"])
    said = {
        "weights in 7 bits, because 8-bit products would saturate on some processors": facts["weight_bits"] == 7,
        "weights quantised per tensor": facts["weights"] == "per tensor",
        f"{floats} layers left in floats": floats > 0,
        f"only {int8_share:.0%} of its operators compute in integers": int8_share < _LITTLE_INTEGER,
        f"ranges that cut off {facts['cut']:.2%} of the values": facts["cut"] > _MUCH_CUT,
        f"only {images} calibration images": images < _FEW_IMAGES,
    }
    return [words for words, holds in said.items() if holds]
