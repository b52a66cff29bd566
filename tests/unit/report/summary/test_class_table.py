from __future__ import annotations

from typing import Any

import pytest

from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.summary.class_table import FEW_OBJECTS, class_table
from support.report_cells import make_context, make_run

SIZES = {"AP50": 0.5, "APsmall": 0.1, "APmedium": None, "APlarge": -1.0}


def entries(**classes: tuple[float | None, int]) -> list[dict[str, Any]]:
    return [
        {"category_id": number, "name": name, "AP": score, "truths": truths, **SIZES}
        for number, (name, (score, truths)) in enumerate(classes.items(), start=1)
    ]


def run_of(framework: str, **classes: tuple[float | None, int]) -> dict[str, Any]:
    run = make_run(framework)
    run["metrics"] |= {"per_class": entries(**classes)}
    return run


def table(*runs: dict[str, Any], **context: Any) -> dict[str, Any] | None:
    summary = build_summary(runs, make_context(**context))
    return class_table(summary["groups"][0], {row["id"]: row for row in summary["rows"]}, summary["details"])


REFERENCE = {"person": (0.4, 300), "cat": (0.6, 9), "dog": (0.5, 2), "cup": (0.3, 48), "tie": (0.2, 30)}
CHANGED = {"person": (0.39, 300), "cat": (0.4, 9), "dog": (0.9, 2), "cup": (0.25, 48), "tie": (0.2, 30)}


def changed() -> dict[str, Any]:
    made = table(run_of("tensorflow", **REFERENCE), run_of("tflite", **CHANGED))
    assert made is not None
    (cell,) = made["changed"]
    return dict(cell)


def test_what_lost_and_gained_most_is_named_with_its_objects() -> None:
    cell = changed()
    assert cell["name"] == "TFLite fp32"
    said = [(line["name"], round(line["change"], 3), line["truths"]) for line in cell["lost"]]
    assert said == [("cat", -0.2, 9), ("cup", -0.05, 48), ("person", -0.01, 300)]
    assert [line["name"] for line in cell["gained"]] == ["dog"]


def test_classes_with_enough_objects_are_named_by_themselves_where_few_objects_lost_most() -> None:
    cell = changed()
    assert FEW_OBJECTS == 20 and cell["says_many"] and cell["many"] == 3
    assert [line["name"] for line in cell["many_lost"]] == ["cup", "person"]
    steady = table(run_of("tensorflow", a=(0.5, 100), b=(0.5, 50)), run_of("tflite", a=(0.4, 100), b=(0.5, 50)))
    assert steady is not None and not steady["changed"][0]["says_many"]


def test_lines_come_with_what_lost_most_first() -> None:
    assert [line["name"] for line in changed()["lines"]] == ["cat", "cup", "person", "tie", "dog"]


def test_a_change_too_small_to_show_is_neither_lost_nor_gained() -> None:
    made = table(run_of("tensorflow", cat=(0.5, 9)), run_of("tflite", cat=(0.4996, 9)))
    assert made is not None
    (cell,) = made["changed"]
    assert cell["lost"] == [] == cell["gained"]


def test_a_class_without_objects_is_left_out_and_a_size_without_objects_is_missing() -> None:
    made = table(run_of("tensorflow", cat=(0.5, 9), drier=(-1.0, 0), comb=(None, 0)))
    assert made is not None and [line["name"] for line in made["lines"]] == ["cat"]
    (line,) = made["cells"][0]["lines"]
    assert [line[size] for size in ("AP50", "APsmall", "APmedium", "APlarge")] == [0.5, 0.1, None, None]


def test_without_a_reference_there_are_figures_but_no_change() -> None:
    made = table(run_of("tflite", cat=(0.5, 9)))
    assert made is not None and made["changed"] == []
    assert made["cells"][0]["lines"][0] | {"AP": 0.5, "change": None} == made["cells"][0]["lines"][0]
    nothing = make_run()
    nothing["metrics"] = {}
    assert table(nothing) is None


def test_classes_are_matched_by_their_id_and_not_by_their_place() -> None:
    other = run_of("tflite", **CHANGED)
    other["metrics"]["per_class"].reverse()
    made = table(run_of("tensorflow", **REFERENCE), other)
    assert made is not None
    assert {line["name"]: line["change"] for line in made["cells"][1]["lines"]} == {
        name: pytest.approx(CHANGED[name][0] - score) for name, (score, _) in REFERENCE.items()
    }
