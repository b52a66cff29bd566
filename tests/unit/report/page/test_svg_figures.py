from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.report.page.label_placement import Canvas
from ssdbench.report.page.svg_figures import LATENCY, SPEED, Axis, scatter
from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.summary.pareto import pareto, series_of
from support.report_cells import FP32, LOST, judged, make_context, make_run

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            # Few values, so that equal ones are common.
            "AP": st.none() | st.integers(0, 8).map(lambda n: n / 8),
            "speed": st.none() | st.integers(1, 8).map(float),
            "timing_valid": st.sampled_from([True, True, False, None]),
        }
    ),
    max_size=12,
)


def takes_part(row: dict[str, Any]) -> bool:
    return row["AP"] is not None and row["speed"] is not None and row["timing_valid"] is not False


def dominates(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """At least as good in both and better in one."""
    ap, speed = row["AP"] - other["AP"], row["speed"] - other["speed"]
    return ap >= 0 and speed >= 0 and (ap > 0 or speed > 0)


@given(ROWS)
def test_no_row_of_the_pareto_line_is_dominated(rows: list[dict[str, Any]]) -> None:
    assert not any(dominates(other, row) for row in pareto(rows) for other in rows if takes_part(other))


@given(ROWS)
def test_every_other_valid_row_is_dominated_by_one_of_the_line_or_equal_to_it(rows: list[dict[str, Any]]) -> None:
    front = pareto(rows)
    on_line = {(best["AP"], best["speed"]) for best in front}
    for row in filter(takes_part, rows):
        assert any(dominates(best, row) for best in front) or (row["AP"], row["speed"]) in on_line


@given(ROWS)
def test_the_line_rises_as_speed_falls_and_holds_valid_rows_alone(rows: list[dict[str, Any]]) -> None:
    front = pareto(rows)
    assert all(takes_part(row) for row in front)
    places = [(-row["speed"], row["AP"]) for row in front]
    assert places == sorted(set(places)) and [ap for _, ap in places] == sorted({ap for _, ap in places})


def rows_of(points: list[tuple[float, float]]) -> list[dict[str, Any]]:
    runs = []
    for number, (latency, score) in enumerate(points):
        runs.append(make_run(f"framework{number}", p50=latency, scores=(score, *[0.1] * 11)))
    return build_summary(runs, make_context())["rows"]


def test_marks_lie_where_their_numbers_say() -> None:
    canvas = Canvas(700, 400)
    rows = rows_of([(10.0, 0.30), (20.0, 0.30), (10.0, 0.25)])
    figure = scatter(rows, series_of(rows), canvas, LATENCY)
    assert figure is not None
    first, right, below = figure["marks"]
    assert right["y"] == first["y"] and below["x"] == first["x"]
    assert below["y"] > first["y"]
    origin = figure["plot"]["left"]
    assert (right["x"] - origin) == pytest.approx(2 * (first["x"] - origin), abs=0.2)
    assert figure["x_ticks"][0] == {"at": origin, "text": "0"}


def drawn(*runs: dict[str, Any], axis: Axis = SPEED) -> dict[str, Any]:
    rows = build_summary(list(runs), make_context())["rows"]
    figure = scatter(rows, series_of(rows), Canvas(700, 400), axis)
    assert figure is not None
    return figure


def test_error_bars_span_the_rounds_and_the_interval_around_the_reference() -> None:
    cell = judged(LOST, "tflite", "int8", p50=20.0)
    cell["timing"] |= {"latency_p50_low_ms": 18.0, "latency_p50_high_ms": 24.0}
    figure = drawn(make_run(p50=30.0), cell, axis=LATENCY)
    reference, mark = figure["marks"]
    assert reference["across"] is None and reference["upright"] is None
    left, right = mark["across"]
    assert (mark["x"] - left) * 2 == pytest.approx(right - mark["x"], abs=0.3)
    # The interval is of the change: its ends lie below the reference by as much as the limits say.
    per_ap = (mark["y"] - reference["y"]) / -LOST[0]
    top, bottom = mark["upright"]
    assert (top - reference["y"]) / per_ap == pytest.approx(-LOST[2], abs=1e-3)
    assert (bottom - reference["y"]) / per_ap == pytest.approx(-LOST[1], abs=1e-3)
    plot = figure["plot"]
    assert plot["left"] <= left and right <= plot["right"] and plot["top"] <= top and bottom <= plot["bottom"]


def test_an_error_bar_ends_where_ap_does() -> None:
    figure = drawn(make_run(p50=30.0), judged((-FP32[0] + 0.004, -FP32[0] - 0.03, -FP32[0] + 0.04), "tflite", "int8"))
    _, bottom = figure["marks"][1]["upright"]
    assert bottom == pytest.approx(figure["plot"]["bottom"], abs=0.5)


def test_the_line_steps_from_the_fastest_to_the_most_accurate_and_on_to_the_edge() -> None:
    beaten = make_run("c", p50=35.0, scores=(0.28, *FP32[1:]))
    invalid = make_run("d", p50=5.0, scores=(0.4, *FP32[1:]))
    invalid["timing"]["timing_valid"] = False
    figure = drawn(make_run("a", p50=10.0, scores=(0.2, *FP32[1:])), make_run("b", p50=30.0), beaten, invalid)
    fast, good, _, hollow = figure["marks"]
    left = figure["plot"]["left"]
    assert figure["line"] == f"M{fast['x']} {fast['y']}H{good['x']}V{good['y']}H{left}"
    assert figure["front"] == ["a fp32", "b fp32"]
    assert (
        not hollow["is_valid"]
        and hollow["compared"] is None
        and good["compared"] == {"AP": FP32[0], "speed": pytest.approx(11 / 30)}
    )
    assert figure["description"].endswith("On the Pareto line: a fp32 and b fp32.")


def test_the_bar_across_a_speed_is_its_interval_and_the_reference_has_none() -> None:
    figure = drawn(make_run(p50=11.0), make_run("tflite", p50=5.5))
    reference, mark = figure["marks"]
    assert reference["across"] is None
    per_speed = (mark["x"] - figure["plot"]["left"]) / 2
    assert [(x - figure["plot"]["left"]) / per_speed for x in mark["across"]] == pytest.approx([1.96, 2.04], abs=2e-3)
    assert "TFLite fp32: AP 0.302, 2.00 times as fast (1.96 to 2.04)." in figure["description"]


def test_labels_stay_inside_and_apart_where_marks_coincide() -> None:
    canvas = Canvas(700, 400)
    rows = rows_of([(11.0, 0.3016), (11.2, 0.3016), (11.4, 0.3015), (11.3, 0.3017), (34.0, 0.3016), (6.0, 0.29)])
    figure = scatter(rows, series_of(rows), canvas, LATENCY)
    assert figure is not None
    boxes = []
    for mark in figure["marks"]:
        half = 0.34 * canvas.font * len(mark["text"])
        label = mark["label"]
        boxes.append(
            (
                label["x"] - half,
                label["y"] - 0.55 * canvas.font,
                label["x"] + half,
                label["y"] + 0.55 * canvas.font,
            )
        )
    for number, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0 and top >= 0 and right <= canvas.width and bottom <= canvas.height
        for other in boxes[:number]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_no_figure_without_a_latency() -> None:
    run = make_run(timing={"status": "failed", "reason": "killed", "log": ""})
    rows = build_summary([run], make_context())["rows"]
    assert scatter(rows, series_of(rows), Canvas(700, 400), SPEED) is None
    assert scatter(rows, series_of(rows), Canvas(700, 400), LATENCY) is None
