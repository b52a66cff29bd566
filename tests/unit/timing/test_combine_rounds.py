"""The rounds of a timing taken together: medians over rounds, what is kept of each, and where there is nothing."""

from __future__ import annotations

import json

from ssdbench.timing.combine_rounds import combine_rounds
from support.rounds import a_round, failed_round


def test_each_figure_is_the_median_over_rounds() -> None:
    timing = combine_rounds([a_round(1, [10.0] * 60 + [15.0] * 40), a_round(2, [20.0] * 70), a_round(3, [10.0] * 70)])
    assert (timing["status"], timing["setting"], timing["rounds"]) == ("ok", "b1-t1-s1", 3)
    assert timing["queries"] == 240
    assert (timing["latency_p50_ms"], timing["latency_p90_ms"]) == (10.0, 15.0)
    assert (timing["end_to_end_p50_ms"], timing["end_to_end_p90_ms"]) == (20.0, 30.0)
    assert timing["throughput_ips"] == 41.67  # of 41.67, 25 and 50: 100 images in 2 x (600 + 600) ms
    assert (timing["load_ms"], timing["first_call_ms"], timing["peak_rss_mb"]) == (20.0, 10.0, 103.0)
    assert timing["stages"]["decode"] == {"p50": 5.0, "p90": 7.5}
    json.dumps(timing, allow_nan=False)


def test_rounds_that_nothing_disturbed_make_a_valid_timing() -> None:
    timing = combine_rounds([a_round(1, [10.0] * 70), a_round(2, [10.2] * 70), a_round(3, [10.1] * 70)])
    assert (timing["timing_valid"], timing["timing_reason"]) == (True, "")
    assert (timing["latency_p50_low_ms"], timing["latency_p50_ms"], timing["latency_p50_high_ms"]) == (10.0, 10.1, 10.2)
    assert timing["reference_ms"] == 4.01  # of 4 and 4.02


def test_a_disturbed_stretch_is_left_out() -> None:
    noisy = a_round(2, [30.0] * 50 + [10.0] * 70, disturbed=50, disturbances=["x"])
    timing = combine_rounds([a_round(1, [10.0] * 70), noisy, a_round(3, [10.0] * 70)])
    assert (timing["timing_valid"], timing["timing_reason"]) == (True, "")
    assert (timing["latency_p90_ms"], timing["queries"], timing["throughput_ips"]) == (10.0, 210, 50.0)
    said = [(r["queries"], r["seconds"], r["left_out_s"], r["latency_p90_ms"]) for r in timing["per_round"]]
    assert said == [(70, 1.4, 0.0, 10.0), (70, 1.4, 3.0, 10.0), (70, 1.4, 0.0, 10.0)]
    assert [r["disturbances"] for r in timing["per_round"]] == [[], ["x"], []]


def test_a_round_too_disturbed_keeps_all_its_queries_and_makes_the_timing_invalid() -> None:
    hog = "other work kept 0.98 cores busy for 1.3 s"
    disturbed = a_round(2, [11.0] * 70, disturbed=60, is_undisturbed=False, disturbances=[hog])
    timing = combine_rounds([a_round(1, [10.0] * 70), disturbed, a_round(3, [10.0] * 70)])
    assert not timing["timing_valid"]
    assert timing["timing_reason"] == f"round 2: undisturbed for only 0.2 of 1.5 s (10 queries), {hog}"
    assert [(r["queries"], f"{r['left_out_s']:g}") for r in timing["per_round"]] == [(70, "0")] * 3  # not -0
    assert timing["per_round"][1]["reference_ms"] == 4.01


def test_a_slow_round_of_few_queries_counts_as_much_as_a_fast_one_of_many() -> None:
    timing = combine_rounds([a_round(1, [95.0] * 64), a_round(2, [28.1] * 156), a_round(3, [21.3] * 204)])
    assert (timing["latency_p50_ms"], timing["latency_p90_ms"]) == (28.1, 28.1)
    assert timing["throughput_ips"] == 17.79  # 1000 / (2 x 28.1)
    rounds = [(r["round"], r["queries"], r["latency_p50_ms"], r["throughput_ips"]) for r in timing["per_round"]]
    assert rounds == [(1, 64, 95.0, 5.26), (2, 156, 28.1, 17.79), (3, 204, 21.3, 23.47)]
    assert [(r["cores_used"], r["other_cores"]) for r in timing["per_round"]] == [
        (0.99, 0.01),
        (0.98, 0.02),
        (0.97, 0.03),
    ]
    assert (timing["latency_p50_low_ms"], timing["latency_p50_high_ms"]) == (21.3, 95.0)


def test_a_percentile_comes_from_the_rounds_that_carry_it() -> None:
    slow = [40.0] * 63
    timing = combine_rounds([a_round(1, slow), a_round(2, [10.0] * 70), a_round(3, [30.0] * 70)])
    assert (timing["latency_p50_ms"], timing["latency_p90_ms"]) == (30.0, 20.0)
    assert [r["latency_p90_ms"] for r in timing["per_round"]] == [None, 10.0, 30.0]


def test_where_and_with_what_the_rounds_ran_is_kept() -> None:
    timing = combine_rounds([a_round(number, [10.0] * 70) for number in (1, 2, 3)])
    assert timing["host"] == {"cpu": "Example", "cores": 4, "cores_available": 4}
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


def test_a_failed_round_leaves_the_others_and_is_named() -> None:
    timing = combine_rounds([a_round(1, [10.0] * 70), failed_round(2), a_round(3, [10.0] * 70)])
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
