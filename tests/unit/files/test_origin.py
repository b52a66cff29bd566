"""What to do about a damaged file follows from who made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssdbench.errors import UserError
from ssdbench.files.origin import damaged
from ssdbench.files.reading import read_json, read_record


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("results/t/m/heads/tflite/fp32/seen.npz", "detect_objects"),
        ("elsewhere/t/m/heads/tflite/fp32/timing/b1-t2-s1/round3.json", "time_inference"),
        ("resources/models/m/source/model.pb", "fetch_model"),
        ("resources/models/m/artifacts/heads/tflite/fp32/model.tflite", "convert_model or quantise_model"),
        ("resources/datasets/d/calibrations/x.json", "choose_calibration"),
    ],
)
def test_a_run_s_own_file_is_made_again_by_its_step(path: str, rule: str) -> None:
    said = str(damaged(Path(path), "is cut short"))
    assert said == f"{path} is cut short. {rule} makes it: run `make retry`, and it is made again."


@pytest.mark.parametrize("path", ["mine/instances.json", "mine/anchors.json", "val2017/annotations.json"])
def test_nobody_is_told_to_delete_a_file_of_the_user_s(path: str) -> None:
    assert str(damaged(Path(path), "is odd")) == f"{path} is odd. Repair it, or give another file."


@pytest.mark.parametrize("content", ["", '{"status": "o', "[]", "{}", '{"status": "fine"}', "\0\0\0"])
def test_what_is_not_a_record_is_said_with_its_remedy(content: str, tmp_path: Path) -> None:
    path = tmp_path / "detect.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"detect\.json is not .* detect_objects makes it: run `make retry`"):
        read_record(path)


def test_a_user_s_json_is_to_be_repaired(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(UserError, match=r"mine\.json is not JSON: .*\. Repair it, or give another file\."):
        read_json(tmp_path / "mine.json")
