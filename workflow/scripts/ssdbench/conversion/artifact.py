"""An artifact as a user of it sees it: its card, and the model file that the card vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

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


def has_7_bits(weight_bits: Literal["auto", 7, 8], saturates: bool) -> bool:
    """Whether the weights of an int8 ONNX file get 7 bits: as `calibration.weight_bits` says, or as this CPU needs.

    Args:
        saturates: whether sums of 8-bit products saturate on this CPU.

    Raises:
        UserError: 8 bits are asked for where they saturate.
    """
    if weight_bits == 8 and saturates:
        raise UserError(
            "calibration.weight_bits is 8, but sums of 8-bit products saturate on this processor (x86 without VNNI): "
            "accuracy would collapse. Set it to auto or 7, or convert and run on a processor with VNNI."
        )
    return saturates if weight_bits == "auto" else weight_bits == 7


def check_processor(card: dict[str, Any], saturates: bool) -> None:
    """Make sure that an int8 ONNX file with 8-bit weights does not run where 8-bit sums saturate.

    Raises:
        UserError: it would; its accuracy would collapse without a word.
    """
    if card.get("reduce_range") is False and saturates:
        raise UserError(
            "This int8 artifact has 8-bit weights, made for processors with VNNI, and sums of 8-bit products "
            "saturate on this one. Set calibration.weight_bits to 7 and convert again: such a file is right on every "
            "processor. Or run this one on a processor with VNNI."
        )
