"""Timing: what is sampled, and what is stated from how many samples."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench import timing
from ssdbench.coco import ImageRecord
from ssdbench.errors import UserError
from ssdbench.normalisation import MOBILENET_SSD
from ssdbench.outputs import Finished, Heads, UInt8
from ssdbench.pixels import resize_image
from ssdbench.runtimes.base import InputForm, Session
from ssdbench.timing import load_sessions, measure, percentiles

SIZE = 16


class CountingSession(Session):
    """Returns constant heads and remembers every batch it was given."""

    def __init__(self, value: float = 0.5) -> None:
        form = InputForm("pixels", None, SIZE, False, None, "uint8 pixels")
        super().__init__(Path("model.bin"), 1, "heads", form)
        self.calls: list[UInt8] = []
        self._value = value

    def infer(self, pixels: UInt8) -> Heads | Finished:
        self.calls.append(pixels)
        full = np.full((len(pixels), 6, 4), self._value, np.float32)
        return Heads(full, full)

    def facts(self) -> dict[str, Any]:
        return {"runtime": "counting"}


def pictures(count: int) -> list[tuple[ImageRecord, bytes]]:
    made = []
    for number in range(count):
        image = np.full((24, 32, 3), 10 * number, np.uint8)
        made.append((ImageRecord(number, f"{number}.png", 32, 24, ""), cv2.imencode(".png", image)[1].tobytes()))
    return made


def measured(*sessions: Session, images: int = 5, **options: Any) -> tuple[dict[str, Any], list[list[int]]]:
    seen: list[list[int]] = []

    def postprocess(output: Heads | Finished, records: Sequence[ImageRecord]) -> None:
        assert isinstance(output, Heads)
        assert len(output.scores) == len(records)
        seen.append([record.id for record in records])

    result = measure(
        sessions,
        pictures(images),
        lambda bgr: resize_image(bgr, SIZE, "rgb"),
        postprocess,
        seconds=0.01,
        **options,
    )
    return result, seen


def test_every_query_is_sampled_in_every_stage_and_the_warm_up_in_none() -> None:
    session = CountingSession()
    result, seen = measured(session, min_queries=70)
    assert result["queries"] >= 70
    assert result["warmup_queries"] >= 8
    assert len(seen) == result["warmup_queries"] + result["queries"]
    samples = result["samples_ms"]
    assert set(samples) == {"decode", "preprocess", "network", "postprocess", "end_to_end"}
    assert {len(values) for values in samples.values()} == {result["queries"]}
    stages = np.sum([samples[name] for name in ("decode", "preprocess", "network", "postprocess")], axis=0)
    assert np.allclose(stages, samples["end_to_end"], atol=3e-4)  # rounding alone: nothing lies between stages
    assert sum(samples["end_to_end"]) <= result["seconds"] * 1e3 + 1
    assert result["runtime"]["runtime"] == "counting"
    assert result["runtime"]["threads_seen"] == 1
    assert {"load_average", "own_cores", "other_cores", "steal_cores"} <= set(result["load"])
    assert all(ms > 0 for ms in (result["reference_ms"]["before"], result["reference_ms"]["after"]))
    json.dumps(result, allow_nan=False)


def test_the_reference_workload_frames_the_timed_queries_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    session = CountingSession()
    frames: list[int] = []

    def reference() -> float:
        frames.append(len(session.calls))
        return float(len(frames))

    monkeypatch.setattr(timing, "reference_ms", reference)
    result, _ = measured(session, min_queries=12)
    assert result["reference_ms"] == {"before": 1.0, "after": 2.0}
    assert frames == [len(session.calls) - result["queries"], len(session.calls)]


def test_images_take_turns_and_each_brings_its_own_pixels() -> None:
    session = CountingSession()
    result, seen = measured(session, images=5, min_queries=12)
    assert [ids for (ids,) in seen] == [i % 5 for i in range(len(seen))]
    timed = session.calls[-result["queries"] :]
    for (number,), pixels in zip(seen[-len(timed) :], timed, strict=True):
        assert pixels.shape == (1, SIZE, SIZE, 3)
        assert (pixels == 10 * number).all()


def test_a_query_of_a_batch_holds_that_many_images() -> None:
    session = CountingSession()
    result, seen = measured(session, images=5, min_queries=10, batch=3)
    assert result["batch"] == 3
    assert seen[:3] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]
    assert {pixels.shape for pixels in session.calls} == {(3, SIZE, SIZE, 3)}


class MeetingSession(CountingSession):
    """Notes how many calls of all its like are going on at once."""

    def __init__(self, going_on: list[int], most: list[int]) -> None:
        super().__init__()
        self._going_on, self._most = going_on, most

    def infer(self, pixels: UInt8) -> Heads | Finished:
        self._going_on.append(1)
        self._most.append(len(self._going_on))
        time.sleep(0.002)
        self._going_on.pop()
        return super().infer(pixels)


def test_streams_query_side_by_side_and_count_together() -> None:
    going_on: list[int] = []
    most: list[int] = []
    sessions = [MeetingSession(going_on, most) for _ in range(3)]
    result, _ = measured(*sessions, images=6, min_queries=60)
    assert max(most) == 3
    assert (result["streams"], result["threads"]) == (3, 1)
    assert result["queries"] == sum(result["queries_of_streams"]) == len(result["samples_ms"]["network"]) >= 60
    assert min(result["queries_of_streams"]) > 0
    # Side by side: together the queries took longer than the wall time, and each stream's own did not.
    ends = list(accumulate(result["queries_of_streams"]))
    times = result["samples_ms"]["end_to_end"]
    own = [sum(times[end - count : end]) for end, count in zip(ends, result["queries_of_streams"], strict=True)]
    assert all(ms <= result["seconds"] * 1e3 + 1 for ms in own)
    assert sum(own) > result["seconds"] * 1e3
    firsts = {int(session.calls[0][0, 0, 0, 0]) for session in sessions}
    assert len(firsts) == 3  # each begins at another image


def test_a_stream_that_fails_ends_the_timing_with_its_error() -> None:
    class Broken(CountingSession):
        def infer(self, pixels: UInt8) -> Heads | Finished:
            if len(self.calls) > 12:
                raise UserError("it broke")
            return super().infer(pixels)

    with pytest.raises(UserError, match="it broke"):
        measured(CountingSession(), Broken(), min_queries=20)


def test_a_network_that_returns_nan_is_not_timed() -> None:
    with pytest.raises(UserError, match="returned NaN"):
        measured(CountingSession(float("nan")))


def test_a_file_that_does_not_load_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.onnx does not exist"):
        load_sessions("onnxruntime", tmp_path / "none.onnx", 1, MOBILENET_SSD)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=1500))
def test_percentiles_are_the_nearest_rank_and_need_their_samples(samples: list[float]) -> None:
    stated = percentiles(samples)
    carried = [name for name, needed in (("p50", 1), ("p90", 64), ("p99", 662)) if len(samples) >= needed]
    assert list(stated) == carried
    for name, value in stated.items():
        assert value == np.percentile(samples, float(name[1:]), method="inverted_cdf")


def test_the_rarest_percentile_needs_6636_samples() -> None:
    assert "p99.9" not in percentiles(range(6635))
    assert percentiles(range(6636))["p99.9"] == 6629
