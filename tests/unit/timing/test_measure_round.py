"""Timing: what is sampled, and what is stated from how many samples."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.catalog.normalisation import MOBILENET_SSD
from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.images.pixels import resize_image
from ssdbench.runtimes.base import InputForm, Session
from ssdbench.timing import measure_round
from ssdbench.timing.measure_round import load_sessions, measure
from ssdbench.timing.percentiles import percentiles

SIZE = 16
HOST = {"cores": 64, "cores_available": 64}


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
        HOST,
        **{"seconds": 0.01, "patience": 1.0} | options,
    )
    return result, seen


def test_every_query_is_sampled_in_every_stage_and_the_warm_up_in_none() -> None:
    session = CountingSession()
    result, seen = measured(session)
    assert result["queries"] >= 64
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
    assert sum(sum(stretch["queries"]) for stretch in result["stretches"]) == result["queries"]
    assert all(ms > 0 for stretch in result["stretches"] for ms in stretch["reference_ms"])
    json.dumps(result, allow_nan=False)


class SleepingSession(CountingSession):
    """Takes some time, as a network does."""

    def infer(self, pixels: UInt8) -> Heads | Finished:
        time.sleep(0.004)
        return super().infer(pixels)


def reference_of(
    monkeypatch: pytest.MonkeyPatch, session: CountingSession, frames: Callable[[int], float]
) -> list[int]:
    """Let the frame number n take frames(n) on a quiet machine; returns how many calls the session had had at each."""
    calls: list[int] = []

    def reference() -> float:
        calls.append(len(session.calls))
        return frames(len(calls) - 1)

    monkeypatch.setattr(measure_round, "reference_ms", reference)
    quiet = {"load_average": 0.0, "own_cores": 1.0, "other_cores": 0.0, "steal_cores": 0.0}
    monkeypatch.setattr(measure_round, "load_between", lambda before, after: quiet)
    return calls


def test_frames_of_the_reference_workload_stand_around_the_queries_of_each_stretch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = SleepingSession()
    at = reference_of(monkeypatch, session, lambda number: 4.0 + number / 100)
    result, _ = measured(session, seconds=0.4)
    stretches = result["stretches"]
    assert len(stretches) >= 3
    assert result["is_undisturbed"]
    frames = list(zip(at[2::2], at[3::2], strict=True))  # after those of the warm-up
    assert [after - before for before, after in frames] == [1 + sum(s["queries"]) for s in stretches]
    assert [s["reference_ms"] for s in stretches] == [
        [pytest.approx(4.02 + i / 50), pytest.approx(4.03 + i / 50)] for i in range(len(stretches))
    ]
    assert all(0.1 < s["seconds"] < 2 for s in stretches)
    assert at[-1] == len(session.calls)  # nothing after the last frame


def test_a_round_goes_on_until_enough_of_it_is_undisturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    session = SleepingSession()
    reference_of(monkeypatch, session, lambda number: 6.0 if 4 <= number < 10 else 4.0)
    result, _ = measured(session, seconds=0.5, patience=20)
    found = [s["disturbances"] for s in result["stretches"]]
    assert found[:5] == [{}, {"slower": 0.5}, {"slower": 0.5}, {"slower": 0.5}, {}]
    quiet = [s for s in result["stretches"] if not s["disturbances"]]
    assert result["is_undisturbed"]
    assert sum(s["seconds"] for s in quiet) >= 0.5
    assert sum(s["seconds"] for s in quiet[:-1]) < 0.5 or sum(sum(s["queries"]) for s in quiet[:-1]) < 64
    assert result["seconds"] > 0.9
    assert result["disturbances"][0].startswith("the reference workload took 50 % longer than at its quickest for 0.")


def test_a_round_that_is_never_undisturbed_ends_with_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    session = SleepingSession()
    reference_of(monkeypatch, session, lambda number: 4.0 if number % 2 else 6.0)
    result, _ = measured(session, seconds=0.2, patience=3)
    assert not result["is_undisturbed"]
    assert all("slower" in s["disturbances"] for s in result["stretches"])
    assert result["seconds"] >= 0.6
    assert result["queries"] >= 3 * 64
    assert len(result["samples_ms"]["network"]) == result["queries"]


def test_images_take_turns_and_each_brings_its_own_pixels() -> None:
    session = CountingSession()
    result, seen = measured(session, images=5)
    assert [ids for (ids,) in seen] == [i % 5 for i in range(len(seen))]
    timed = session.calls[-result["stretches"][-1]["queries"][0] :]
    for (number,), pixels in zip(seen[-len(timed) :], timed, strict=True):
        assert pixels.shape == (1, SIZE, SIZE, 3)
        assert (pixels == 10 * number).all()


def test_a_query_of_a_batch_holds_that_many_images() -> None:
    session = CountingSession()
    result, seen = measured(session, images=5, batch=3)
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
    result, _ = measured(*sessions, images=6)
    assert max(most) == 3
    assert (result["streams"], result["threads"]) == (3, 1)
    counts = result["stretches"][0]["queries"]
    assert min(counts) > 0
    assert len(result["samples_ms"]["network"]) == result["queries"] >= sum(counts)
    # Side by side: together the queries took longer than a stream's time, and each stream's own did not, but for the
    # last query, which streams end at moments of their own.
    ends = list(accumulate(counts))
    times = result["samples_ms"]["end_to_end"]
    own = [sum(times[end - count : end]) for end, count in zip(ends, counts, strict=True)]
    milliseconds = result["stretches"][0]["seconds"] * 1e3
    assert all(ms <= milliseconds + max(times) + 1 for ms in own)
    assert sum(own) > 2 * milliseconds
    firsts = {int(session.calls[0][0, 0, 0, 0]) for session in sessions}
    assert len(firsts) == 3  # each begins at another image


def test_a_stream_that_fails_ends_the_timing_with_its_error() -> None:
    class Broken(CountingSession):
        def infer(self, pixels: UInt8) -> Heads | Finished:
            if len(self.calls) > 12:
                raise UserError("it broke")
            return super().infer(pixels)

    with pytest.raises(UserError, match="it broke"):
        measured(CountingSession(), Broken())


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
