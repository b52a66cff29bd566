"""An artifact as a user of it sees it: its card, and the model file that the card vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssdbench.errors import UserError
from ssdbench.files.hashing import sha256_path
from ssdbench.files.origin import damaged, remedy
from ssdbench.files.reading import read_record


def open_artifact(card_path: Path) -> tuple[dict[str, Any], Path]:
    """The card and the path of its model file (a folder for a SavedModel), whose bytes are those that were checked.

    Raises:
        UserError: the file is missing or another one.
    """
    card = read_record(card_path)
    if not {"file", "sha256"} <= card.keys():
        raise damaged(card_path, "names no model file")
    path = card_path.parent / card["file"]
    if not path.exists():
        raise UserError(f"The model file {path} is missing. {remedy(card_path)}")
    if sha256_path(path) != card["sha256"]:
        raise UserError(f"The model file {path} is not the one that its card.json describes. {remedy(card_path)}")
    return card, path


def check_processor(card: dict[str, Any], saturates: bool) -> None:
    """Make sure that an int8 ONNX file with 8-bit weights does not run where 8-bit sums saturate.

    Raises:
        UserError: it would; its accuracy would collapse without a word.
    """
    if card.get("reduce_range") is False and saturates:
        raise UserError(
            "This int8 artifact has 8-bit weights, made for processors with VNNI, and sums of 8-bit products "
            "saturate on this one. Delete its card.json and convert on this processor (7-bit weights), or run it on "
            "one with VNNI."
        )
