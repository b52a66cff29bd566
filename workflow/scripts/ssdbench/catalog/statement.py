"""What a registry row or a flag states of a model file whose form cannot be told."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

# The keys of a row, and the flags of run.py, with the values that they take.
FORM_VALUES = {
    "box_form": ("encodings", "corners", "centre_size"),
    "box_order": ("yx", "xy"),
    "box_scale": ("normalised", "pixels"),
    "activation": ("none", "sigmoid", "softmax"),
    "background": ("first", "last", "none"),
}


@dataclass(frozen=True)
class FormStatement:
    """The values stated of a file's outputs, each one of FORM_VALUES; None where nothing is stated."""

    box_form: str | None = None
    box_order: str | None = None
    box_scale: str | None = None
    activation: str | None = None
    background: str | None = None

    def stated(self) -> dict[str, Any]:
        """What is stated, by key."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {key: value for key, value in values.items() if value is not None}
