"""An artifact as a user of it sees it: its card, and the model file that the card vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssdbench.conversion.model_contents import contents_of
from ssdbench.errors import UserError
from ssdbench.files.model_files import model_files, sha256_model
from ssdbench.files.origin import damaged, remedy
from ssdbench.files.reading import read_record


def file_facts(framework: str, path: Path) -> dict[str, Any]:
    """What a card says of a model file itself: name, size in bytes, hash, input, operators, share in int8."""
    contents = contents_of(framework, path)
    return {
        "file": path.name,
        "size": sum(file.stat().st_size for file in model_files(path)),
        "sha256": sha256_model(path),
        "input": contents.input,
        "ops": contents.ops,
        "int8_share": contents.int8_share,
    }


def open_artifact(card_path: Path) -> tuple[dict[str, Any], Path]:
    """The card and the path of its model file (a folder for a SavedModel), whose bytes are those that were checked.

    Raises:
        UserError: the file is missing or another one.
    """
    card = read_record(card_path)
    if not {"file", "sha256"} <= card.keys():
        raise damaged(card_path, "names no model file")
    path = card_path.parent / card["file"]
    if not all(file.exists() for file in [path, *model_files(path)]):
        raise UserError(f"The model file {path} is missing. {remedy(card_path)}")
    if sha256_model(path) != card["sha256"]:
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
