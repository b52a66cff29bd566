"""The flags of run.py: what they state, and sentences on what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssdbench.catalog.normalisation import Normalisation
from ssdbench.errors import UserError
from ssdbench.inspection import flags

ALL = ["-m", "x.onnx", "-f", "ort", "-p", "fp32"]


def parsed(*arguments: str, **environment: str):  # type: ignore[no-untyped-def]
    return flags.parse_arguments([*ALL, *arguments], environment, "")


def test_the_environment_gives_defaults_and_flags_win() -> None:
    environment = {"COCO_IMG_PATH": "/images", "COCO_ANNO_PATH": "", "AIO_NUM_THREADS": "3"}
    assert (parsed(**environment).images_path, parsed(**environment).anno_path) == (Path("/images"), None)
    assert (parsed(**environment).threads, parsed("--threads", "2", **environment).threads) == (3, 2)
    assert parsed().threads == 1


@pytest.mark.parametrize(("text", "size"), [("300", (300, 300)), ("240x320", (240, 320)), ("240X320", (240, 320))])
def test_a_size_is_height_by_width(text: str, size: tuple[int, int]) -> None:
    assert parsed("--input_size", text).input_size == size


@pytest.mark.parametrize(
    "wrong",
    [
        *(["--input_size", text] for text in ("0", "240x", "1x2x3", "a")),
        *(["--class_ids", text] for text in ("a", "1-", "1-b")),
        ["--threads", "0"],
        ["--box_form", "other"],
        ["--box_coder", "1", "2"],
    ],
)
def test_what_cannot_be_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(*wrong)
    assert wrong[0] in capsys.readouterr().err


def test_class_ids_are_numbers_ranges_and_null() -> None:
    assert parsed("--class_ids", "null", "1-3", "17").class_ids == [None, "1-3", 17]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], None),
        (["--mean", "127.5", "--std", "127.5"], Normalisation.of_mean_and_std(127.5, 127.5)),
        (["--mean", "1", "2", "3", "--std", "4"], Normalisation.of_mean_and_std([1, 2, 3], 4)),
    ],
)
def test_mean_and_std_state_the_input(given: list[str], wanted: Normalisation | None) -> None:
    assert flags.stated_input(parsed(*given)) == wanted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--mean", "1"], "--mean and --std go together"),
        (["--std", "1"], "--mean and --std go together"),
        (["--mean", "1", "2", "--std", "1"], "--mean takes one number, or three"),
        (["--mean", "1", "--std", "1", "0", "1"], "--std must be above 0"),
    ],
)
def test_half_a_normalisation_is_refused(given: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        flags.stated_input(parsed(*given))


def test_class_names_come_from_a_file_a_name_a_line(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("background\nperson\nhot dog\n")
    (tmp_path / "latin.txt").write_bytes("größe\n".encode("latin-1"))
    assert flags.stated_labels(parsed("--labels", str(tmp_path / "names.txt"))) == (None, "person", "hot dog")
    assert flags.stated_labels(parsed()) == ()
    assert len(flags.stated_labels(parsed("--labels", "coco"))) == 91
    for name in ("gone.txt", "latin.txt"):
        with pytest.raises(UserError, match=rf"{name} cannot be read"):
            flags.stated_labels(parsed("--labels", str(tmp_path / name)))


@pytest.mark.parametrize(
    ("arguments", "framework"),
    [
        (["-m", "x.tflite", "-f", "tf", "-p", "int8"], "tflite"),
        (["-m", "x.pb", "-f", "tf", "-p", "fp32"], "tensorflow"),
        (["-m", "x.onnx", "-f", "ov", "-p", "fp32"], "openvino"),
        (["--inspect", "x.xml"], "openvino"),
        (["--inspect", "saved_model"], "tensorflow"),
        (["--inspect", "x.onnx", "-f", "opencv"], "opencv"),
    ],
)
def test_the_framework_is_the_one_that_is_meant(arguments: list[str], framework: str) -> None:
    assert flags.framework_of(flags.parse_arguments(arguments, {}, "")) == framework


def test_what_is_needed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        flags.parse_arguments(["-m", "x.onnx"], {}, "")
    assert "--precision, --framework" in capsys.readouterr().err
