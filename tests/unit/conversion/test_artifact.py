"""Artifacts: what runs is what was checked, where it was made for, and not calibrated on what it is tested on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ssdbench.coco.image_list import ImageList, ImageRecord
from ssdbench.conversion.artifact import check_processor, has_7_bits, open_artifact
from ssdbench.errors import UserError
from ssdbench.files.hashing import sha256_file
from ssdbench.files.writing import write_json
from ssdbench.inference.detect import check_not_calibrated_with


def write_artifact(folder: Path) -> Path:
    (folder / "model.onnx").write_bytes(b"model")
    card: dict[str, Any] = {"status": "ok", "file": "model.onnx", "sha256": sha256_file(folder / "model.onnx")}
    write_json(folder / "card.json", card)
    return folder / "card.json"


def test_a_model_file_that_is_not_the_cards_is_refused(tmp_path: Path) -> None:
    card = write_artifact(tmp_path)
    assert open_artifact(card)[1] == tmp_path / "model.onnx"
    (tmp_path / "model.onnx").write_bytes(b"other")
    with pytest.raises(UserError, match=r"model\.onnx is not the one that its card\.json describes.*make retry"):
        open_artifact(card)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"model\.onnx is missing"):
        open_artifact(card)


def test_eight_bit_weights_do_not_run_where_sums_saturate() -> None:
    with pytest.raises(UserError, match="VNNI"):
        check_processor({"reduce_range": False}, saturates=True)
    for reduce_range, saturates in ((True, True), (False, False), (None, True)):
        check_processor({"reduce_range": reduce_range}, saturates)


@pytest.mark.parametrize(
    ("weight_bits", "saturates", "seven"),
    [("auto", True, True), ("auto", False, False), (7, True, True), (7, False, True), (8, False, False)],
)
def test_weights_have_the_bits_asked_for_or_needed(weight_bits: Any, saturates: bool, seven: bool) -> None:
    assert has_7_bits(weight_bits, saturates) is seven


def test_eight_bits_are_not_made_where_their_sums_saturate() -> None:
    with pytest.raises(UserError, match=r"calibration\.weight_bits is 8.*Set it to auto or 7"):
        has_7_bits(8, saturates=True)


def test_an_evaluation_image_among_the_calibration_images_fails_the_cell() -> None:
    images = ImageList("t", "t", Path(), None, "", (ImageRecord(7, "seven.jpg", 1, 1, "aa"),), ())
    card = {"calibration": {"images": [{"file_name": "copy.jpg", "sha256": "aa"}]}}
    with pytest.raises(UserError, match=r"seven\.jpg was used for calibration \(as copy\.jpg\)"):
        check_not_calibrated_with(card, images)
    check_not_calibrated_with({"calibration": {"images": [{"file_name": "b", "sha256": "bb"}]}}, images)
    check_not_calibrated_with({"calibration": None}, images)
