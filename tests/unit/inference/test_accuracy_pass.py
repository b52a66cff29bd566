"""The accuracy pass: whatever number of cores does it, the bytes are those of a plain loop."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ssdbench.arrays import UInt8
from ssdbench.boxes.decoding import HeadDecoding
from ssdbench.boxes.nms import NmsSettings
from ssdbench.boxes.outputs import Heads
from ssdbench.catalog.normalisation import MOBILENET_SSD
from ssdbench.coco.detections import read_detections, write_detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.inference import accuracy_pass
from ssdbench.inference.accuracy_pass import Outcome, Pass, run_pass
from ssdbench.inference.detect import detect, detections
from ssdbench.inference.trace import Recorder, Trace, write_trace
from ssdbench.runtimes.base import Session
from ssdbench.runtimes.input_form import InputForm
from ssdbench.runtimes.output_ports import HEADS_OUTPUTS, Ports

COUNT, SIZE, ANCHORS = 23, 16, 12


class Made(Session):
    """Heads that depend on the pixels alone, or on the threads too."""

    def __init__(self, threads: int, depends_on_threads: bool = False) -> None:
        form = InputForm("x", None, (SIZE, SIZE), False, None, "uint8 pixels")
        super().__init__(Path("made"), threads, Ports("heads", HEADS_OUTPUTS), form)
        self.shift = 1e-3 * threads if depends_on_threads else 0.0

    def infer(self, pixels: UInt8) -> Heads:
        random = np.random.default_rng(int(pixels.sum()))
        encodings = random.normal(self.shift, 1, (1, ANCHORS, 4)).astype(np.float32)
        return Heads(encodings, random.random((1, ANCHORS, 4), np.float32))

    def facts(self) -> dict[str, Any]:
        return {"threads_set": self.threads}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Pass:
    folder = tmp_path_factory.mktemp("images")
    for image in range(COUNT):
        pixels = np.random.default_rng(image).integers(0, 256, (20, 30, 3), np.uint8)
        cv2.imwrite(str(folder / f"{image}.png"), pixels)
    records = [ImageRecord(image, f"{image}.png", 30, 20, "") for image in range(COUNT)]
    corners = np.random.default_rng(1).random((ANCHORS, 2), np.float32) * 0.5
    decoding = HeadDecoding(np.hstack([corners, corners + 0.4]), (10, 10, 5, 5), NmsSettings())
    return Pass("made", Path("made"), MOBILENET_SSD, "fp32", folder, records, SIZE, "rgb", decoding, COUNT)


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accuracy_pass, "import_framework", lambda framework: None)
    monkeypatch.setattr(accuracy_pass, "open_session", lambda *given: Made(given[2]))


def plain(job: Pass, path: Path) -> Trace:
    """The pass as a loop in this process."""
    recorder = Recorder(job.count, job.first)
    found = detect(Made(1), job.folder, job.records, SIZE, "rgb", job.decoding, recorder)
    write_detections(path, detections(found))
    return recorder.result()


def assert_equal_to_plain(job: Pass, threads: int, folder: Path) -> Outcome:
    write_trace(folder / "plain.npz", plain(job, folder / "plain.json"))
    outcome = run_pass(job, threads, folder / "pass.json")
    write_trace(folder / "pass.npz", outcome.seen)
    assert (folder / "pass.json").read_bytes() == (folder / "plain.json").read_bytes()
    assert (folder / "pass.npz").read_bytes() == (folder / "plain.npz").read_bytes()
    assert outcome.detections == len(list(read_detections(folder / "plain.json")))
    return outcome


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_bytes_do_not_depend_on_the_cores(job: Pass, threads: int, tmp_path: Path) -> None:
    outcome = assert_equal_to_plain(job, threads, tmp_path)
    assert (outcome.streams["streams"], outcome.streams["threads"]) == (threads, 1)
    assert outcome.runtime == {"threads_set": 1}


def test_a_part_of_a_list_and_no_image_at_all_are_passes_too(job: Pass, tmp_path: Path) -> None:
    assert_equal_to_plain(replace(job, records=job.records[10:], first=10), 2, tmp_path)
    assert run_pass(replace(job, records=[]), 2, tmp_path / "none.json").detections == 0
    assert list(read_detections(tmp_path / "none.json")) == []


@pytest.mark.parametrize("wins", [True, False])
def test_a_long_pass_takes_what_was_faster_and_says_so(
    job: Pass, wins: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = replace(job, records=job.records * 40, count=40 * COUNT)
    monkeypatch.setattr(accuracy_pass, "_WORTH_A_TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(accuracy_pass, "_TRIAL_SECONDS", 0.05)
    slow = 1 if wins else 2  # with so many threads

    class Slow(Made):
        def infer(self, pixels: UInt8) -> Heads:
            time.sleep(0.004 if self.threads == slow else 0)
            return super().infer(pixels)

    monkeypatch.setattr(accuracy_pass, "open_session", lambda *given: Slow(given[2]))
    outcome = assert_equal_to_plain(many, 2, tmp_path)
    rates = outcome.streams["images_per_second"]
    assert (rates["1 x 2 threads"] > rates["2 x 1 thread"]) == (outcome.streams["threads"] == 2)
    assert outcome.runtime == {"threads_set": outcome.streams["threads"]}


def test_one_session_that_returns_other_numbers_is_not_taken(
    job: Pass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = replace(job, records=job.records * 10, count=10 * COUNT)
    monkeypatch.setattr(accuracy_pass, "_WORTH_A_TRIAL_SECONDS", 0.0)
    monkeypatch.setattr(accuracy_pass, "_TRIAL_SECONDS", 0.02)
    monkeypatch.setattr(accuracy_pass, "open_session", lambda *given: Made(given[2], given[2] > 1))
    outcome = assert_equal_to_plain(many, 2, tmp_path)
    assert outcome.streams["reason"] == "one session with all cores returns other numbers"


def test_an_image_that_cannot_be_used_ends_the_pass_and_leaves_no_file(job: Pass, tmp_path: Path) -> None:
    broken = [*job.records[:9], replace(job.records[9], file_name="gone.png"), *job.records[10:]]
    with pytest.raises(UserError, match=r"gone\.png does not exist"):
        run_pass(replace(job, records=broken), 2, tmp_path / "pass.json")
    assert list(tmp_path.iterdir()) == []
