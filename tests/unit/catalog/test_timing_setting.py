"""Settings: their names in paths, what a configuration asks for, and which cells can be timed at them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from ssdbench.catalog.timing_setting import Setting
from ssdbench.files.reading import read_yaml
from ssdbench.plan import targets
from ssdbench.plan.config import merge
from ssdbench.plan.load import load_plan
from ssdbench.plan.plan import Plan
from ssdbench.plan.report_context import report_context

_NUMBERS = st.integers(1, 1024)


def plan_of(overlay: dict[str, Any]) -> Plan:
    return load_plan(merge(read_yaml(ROOT / "config.yaml"), overlay), ROOT, {})


@given(st.builds(Setting, _NUMBERS, _NUMBERS, _NUMBERS))
def test_a_name_is_read_as_the_setting_that_has_it(setting: Setting) -> None:
    assert Setting.of(setting.name) == setting


@pytest.mark.parametrize("name", ["", "b1-t1", "b0-t1-s1", "b1-t1-s1x", "t1-b1-s1"])
def test_other_texts_name_no_setting(name: str) -> None:
    assert Setting.of(name) is None


def test_every_combination_is_a_setting_and_the_first_of_each_list_the_default() -> None:
    timing = plan_of({"timing": {"batches": [4, 1], "threads": 2, "streams": [1, 3]}}).config.timing
    assert timing.default.name == "b4-t2-s1"
    assert [setting.name for setting in timing.settings] == ["b4-t2-s1", "b4-t2-s3", "b1-t2-s1", "b1-t2-s3"]


def test_without_a_sweep_nothing_is_timed_but_one_stream_of_single_images() -> None:
    plan = plan_of({})
    assert [setting.name for setting in plan.config.timing.settings] == ["b1-t1-s1"]
    assert all(targets.sweep(plan, cell) == [] for cell in plan.supported)
    assert not any("-b" in card for card in targets.artifacts(plan))


def test_a_batch_has_an_artifact_of_its_own_where_the_framework_fixes_it() -> None:
    plan = plan_of({"timing": {"batches": [1, 4]}})
    made = {
        card.removeprefix("resources/models/ssdlite_mobilenet_v2/artifacts/heads/") for card in targets.artifacts(plan)
    }
    with_batch = {card for card in made if "-b4" in card}
    calibration = plan.calibration_id("sample")
    assert with_batch == {
        "tflite/fp32-b4",
        "tflite/fp16-b4",
        f"tflite/int8-b4-{calibration}",
    }
    assert {"tflite/fp32", f"tflite/int8-{calibration}", "onnxruntime/fp32"} <= made


def test_a_graph_that_takes_one_image_is_unsupported_at_a_batch_before_anything_runs() -> None:
    plan = plan_of({"protocols": ["graph"], "precisions": ["fp32"], "timing": {"batches": [1, 4]}})
    timed = {cell.framework: [setting.name for setting in plan.settings(cell)] for cell in plan.supported}
    assert timed["tflite"] == ["b1-t1-s1"]
    assert timed["tensorflow"] == ["b1-t1-s1", "b4-t1-s1"]
    reasons = report_context(plan, "sample")["unsupported_settings"]
    assert reasons == {
        "sample/ssdlite_mobilenet_v2/graph/tflite/fp32": {
            "b4-t1-s1": "the non-maximum suppression inside a tflite graph takes one image at a time"
        }
    }


def test_a_cell_that_cannot_be_timed_at_the_default_setting_is_unsupported() -> None:
    plan = plan_of({"protocols": ["graph"], "precisions": ["fp32"], "timing": {"batches": [4, 1]}})
    reasons = {cell.name.framework: cell.unsupported for cell in plan.cells}
    assert "default setting, b4-t1-s1" in (reasons["tflite"] or "")
    assert reasons["tensorflow"] is None


def test_every_record_of_a_sweep_is_known_to_retry() -> None:
    plan = plan_of({"frameworks": ["tflite"], "timing": {"batches": [1, 4], "streams": [1, 2], "rounds": 2}})
    (cell, *_) = plan.supported
    folder = f"results/{cell.path}"
    records = set(targets.records(plan))
    table = f"results/{cell.dataset}/{cell.model}/{cell.protocol}"
    for name in ("b1-t1-s1", "b1-t1-s2", "b4-t1-s1", "b4-t1-s2"):
        assert {f"{table}/timing/{name}/round{number}.json" for number in (1, 2)} <= records
    for name in ("b1-t1-s2", "b4-t1-s1", "b4-t1-s2"):
        assert f"{folder}/timing/{name}/timing.json" in records
    assert f"{folder}/timing.json" in records
    assert f"{folder}/timing/b1-t1-s1/timing.json" not in records
