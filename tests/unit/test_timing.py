"""Timing: what is sampled, what is stated from how many samples, and when a timing is not to be trusted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.coco import ImageRecord
from ssdbench.errors import UserError
from ssdbench.normalisation import MOBILENET_SSD
from ssdbench.outputs import Finished, Heads, UInt8
from ssdbench.pixels import resize_image
from ssdbench.runtimes.base import InputForm, Session
from ssdbench.timing import combine_rounds, load_session, measure, percentiles

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


def measured(session: Session, images: int = 5, **options: Any) -> tuple[dict[str, Any], list[list[int]]]:
    seen: list[list[int]] = []

    def postprocess(output: Heads | Finished, records: Sequence[ImageRecord]) -> None:
        assert isinstance(output, Heads)
        assert len(output.scores) == len(records)
        seen.append([record.id for record in records])

    result = measure(
        session,
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
    assert set(result["load"]) == {"load_average", "own_cores", "other_cores", "steal_cores"}
    json.dumps(result, allow_nan=False)


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


def test_a_network_that_returns_nan_is_not_timed() -> None:
    with pytest.raises(UserError, match="returned NaN"):
        measured(CountingSession(float("nan")))


def test_a_file_that_does_not_load_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.onnx does not exist"):
        load_session("onnxruntime", tmp_path / "none.onnx", 1, MOBILENET_SSD)


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


def a_round(number: int, network: Sequence[float], **changes: Any) -> dict[str, Any]:
    """A round file; end to end takes twice the network's time."""
    runtime = {"version": "1.0", "cores_used": 1.0 - number / 100, "threads_seen": 1, "threads_at_work": 1}
    runtime |= changes.pop("runtime", {})
    host = {"cpu": "Example", "cores_available": 4} | changes.pop("host", {})
    stages = {name: [0.5 * ms for ms in network] for name in ("decode", "preprocess")}
    return {
        "status": "ok",
        "reason": "",
        "log": f"logs/{number}.log",
        "setting": "b1-t1-s1",
        "round": number,
        "threads": 1,
        "batch": 1,
        "streams": 1,
        "load_ms": 10.0 * number,
        "first_call_ms": 5.0 * number,
        "samples_ms": stages
        | {
            "network": list(network),
            "postprocess": [0.0] * len(network),
            "end_to_end": [2 * ms for ms in network],
        },
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 2 * sum(network) / 1e3,
        "queries": len(network),
        "peak_rss_mb": 100.0 + number,
        "runtime": runtime,
        "load": {"load_average": 1.0, "own_cores": 1.0, "other_cores": number / 10, "steal_cores": 0.0},
        "host": host,
        "versions": {"onnxruntime": "1.0"},
        "code_sha256": "ab",
    } | changes


def failed_round(number: int, status: str = "failed", reason: str = "it crashed") -> dict[str, Any]:
    return {
        "status": status,
        "reason": reason,
        "log": f"logs/{number}.log",
        "setting": "b1-t1-s1",
        "round": number,
    }


def test_each_figure_is_the_median_over_rounds() -> None:
    timing = combine_rounds([a_round(1, [10.0] * 60 + [15.0] * 40), a_round(2, [20.0] * 70), a_round(3, [10.0] * 70)])
    assert (timing["status"], timing["setting"], timing["rounds"]) == ("ok", "b1-t1-s1", 3)
    assert timing["queries"] == 240
    assert (timing["latency_p50_ms"], timing["latency_p90_ms"]) == (10.0, 15.0)
    assert (timing["end_to_end_p50_ms"], timing["end_to_end_p90_ms"]) == (20.0, 30.0)
    assert timing["throughput_ips"] == 41.67  # of 41.67, 25 and 50: 100 images in 2 x (600 + 600) ms
    assert (timing["load_ms"], timing["first_call_ms"], timing["peak_rss_mb"]) == (20.0, 10.0, 103.0)
    assert (timing["timing_valid"], timing["timing_reason"]) == (True, "")
    assert timing["stages"]["decode"] == {"p50": 5.0, "p90": 7.5}
    json.dumps(timing, allow_nan=False)


def test_a_slow_round_of_few_queries_counts_as_much_as_a_fast_one_of_many() -> None:
    timing = combine_rounds([a_round(1, [95.0] * 64), a_round(2, [28.1] * 156), a_round(3, [21.3] * 204)])
    assert (timing["latency_p50_ms"], timing["latency_p90_ms"]) == (28.1, 28.1)
    assert timing["throughput_ips"] == 17.79  # 1000 / (2 x 28.1)
    rounds = [(r["round"], r["queries"], r["latency_p50_ms"], r["throughput_ips"]) for r in timing["per_round"]]
    assert rounds == [(1, 64, 95.0, 5.26), (2, 156, 28.1, 17.79), (3, 204, 21.3, 23.47)]
    assert [(r["cores_used"], r["other_cores"]) for r in timing["per_round"]] == [(0.99, 0.1), (0.98, 0.2), (0.97, 0.3)]


def test_a_percentile_comes_from_the_rounds_that_carry_it() -> None:
    slow = [40.0] * 63
    timing = combine_rounds([a_round(1, slow), a_round(2, [10.0] * 70), a_round(3, [30.0] * 70)])
    assert (timing["latency_p50_ms"], timing["latency_p90_ms"]) == (30.0, 20.0)
    assert [r["latency_p90_ms"] for r in timing["per_round"]] == [None, 10.0, 30.0]


def test_where_and_with_what_the_rounds_ran_is_kept() -> None:
    timing = combine_rounds([a_round(number, [10.0] * 70) for number in (1, 2, 3)])
    assert timing["host"] == {"cpu": "Example", "cores_available": 4}
    assert timing["runtime"] == {"version": "1.0"}  # what the rounds saw of their threads is in per_round
    assert (timing["versions"], timing["code_sha256"]) == ({"onnxruntime": "1.0"}, "ab")

    moved = a_round(2, [10.0] * 70, host={"cpu": "Another"}, code_sha256="cd")
    timing = combine_rounds([a_round(1, [10.0] * 70), moved, a_round(3, [10.0] * 70)])
    assert [host["cpu"] for host in timing["host"]] == ["Example", "Another"]
    assert timing["code_sha256"] == ["ab", "cd"]
    assert timing["runtime"] == {"version": "1.0"}


def test_throughput_counts_images_not_queries() -> None:
    assert combine_rounds([a_round(1, [10.0] * 70, batch=4)])["throughput_ips"] == 200.0


def test_a_percentile_that_few_queries_cannot_carry_is_null() -> None:
    timing = combine_rounds([a_round(1, [10.0] * 40)])
    assert timing["latency_p50_ms"] == 10.0
    assert timing["latency_p90_ms"] is None
    assert not timing["timing_valid"]
    assert timing["timing_reason"] == "round 1: 40 queries, 64 are needed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"runtime": {"cores_used": 1.9}}, "round 2: 1.9 cores at work where 1 were asked for"),
        ({"threads": 8, "runtime": {"cores_used": 4.0}}, "round 2: 8 threads on 4 available cores"),
        ({"threads": 2, "host": {"cpu_limit": 1.5}}, "round 2: 2 threads on 1.5 available cores"),
        ({"threads": 2, "streams": 3}, "round 2: 6 threads on 4 available cores"),
    ],
)
def test_threads_that_are_not_as_asked_make_a_timing_invalid(changes: dict[str, Any], reason: str) -> None:
    timing = combine_rounds([a_round(1, [10.0] * 70), a_round(2, [10.0] * 70, **changes)])
    assert (timing["timing_valid"], timing["timing_reason"]) == (False, reason)


def test_threads_as_asked_are_trusted() -> None:
    for threads, used in ((1, 1.02), (2, 1.97), (2, 1.2), (4, 4.1)):
        timing = combine_rounds([a_round(1, [10.0] * 70, threads=threads, runtime={"cores_used": used})])
        assert timing["timing_valid"]


def test_a_failed_round_leaves_the_others_and_is_named() -> None:
    timing = combine_rounds([a_round(1, [10.0] * 70), failed_round(2), a_round(3, [20.0] * 70)])
    assert (timing["status"], timing["rounds"], timing["queries"]) == ("ok", 2, 140)
    assert (timing["timing_valid"], timing["timing_reason"]) == (False, "round 2 failed: it crashed")


def test_without_a_good_round_there_are_no_numbers() -> None:
    timing = combine_rounds([failed_round(1, "unsupported", "no such file"), failed_round(2), failed_round(3)])
    assert timing == {
        "status": "failed",
        "reason": "it crashed",
        "log": "logs/2.log",
        "setting": "b1-t1-s1",
        "rounds": 0,
        "timing_valid": False,
        "timing_reason": "it crashed",
    }
    assert combine_rounds([failed_round(1, "unsupported", "not for this model")])["status"] == "unsupported"
