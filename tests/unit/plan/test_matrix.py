"""The matrix: every cell that was asked for is there, supported or with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from ssdbench.errors import UserError
from ssdbench.files.hashing import sha256_file
from ssdbench.files.reading import read_yaml
from ssdbench.plan import targets
from ssdbench.plan.config import merge
from ssdbench.plan.load import load_plan
from ssdbench.plan.plan import Plan
from ssdbench.plan.report_context import report_context


def plan_of(overlay: dict[str, Any], environment: dict[str, str] | None = None) -> Plan:
    return load_plan(merge(read_yaml(ROOT / "config.yaml"), overlay), ROOT, environment or {})


def test_the_default_matrix_runs_eleven_cells_and_says_why_four_do_not() -> None:
    plan = plan_of({})
    cells = {(cell.name.framework, cell.name.precision): cell.unsupported for cell in plan.cells}
    assert len(cells) == 15
    assert {name for name, reason in cells.items() if reason} == {
        ("tensorflow", "fp16"),
        ("tensorflow", "int8"),
        ("opencv", "fp16"),
        ("opencv", "int8"),
    }


def test_int8_needs_calibration_images_where_the_dataset_is_local(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    environment = {"COCO_IMG_PATH": str(tmp_path), "COCO_ANNO_PATH": str(tmp_path / "a.json")}
    without = plan_of({"dataset": "local"}, environment)
    reasons = [cell.unsupported for cell in without.cells if cell.name.precision == "int8"]
    assert all(reason for reason in reasons)
    assert sum("COCO_CALIB_PATH" in (reason or "") for reason in reasons) == 3
    plan = plan_of({"dataset": "local"}, {**environment, "COCO_CALIB_PATH": str(tmp_path)})
    assert len(plan.supported) == 11


@pytest.mark.parametrize("wrong", ["COCO_IMG_PATH", "COCO_ANNO_PATH", "COCO_CALIB_PATH"])
def test_a_local_path_that_is_not_there_is_refused_with_its_variable(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    environment = {"COCO_IMG_PATH": str(tmp_path), "COCO_ANNO_PATH": str(tmp_path / "a.json")}
    with pytest.raises(UserError, match=rf"{wrong}.* which is no"):
        plan_of({"dataset": "local"}, {**environment, wrong: str(tmp_path / "nowhere")})
    with pytest.raises(UserError, match="COCO_IMG_PATH"):
        plan_of({"dataset": "local"}, {})


def test_without_annotations_nothing_is_measured_against_them_and_the_rest_is_made(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    environment = {"COCO_IMG_PATH": str(tmp_path), "COCO_ANNO_PATH": str(tmp_path / "a.json")}
    with_truth = {Path(file).name for file in targets.records(plan_of({"dataset": "local"}, environment))}
    without = {
        Path(file).name for file in targets.records(plan_of({"dataset": "local"}, {"COCO_IMG_PATH": str(tmp_path)}))
    }
    assert with_truth - without == {"metrics.json", "replicates.json", "parts.json"}
    assert {"detect.json", "parity.json", "diagnosis.json", "timing.json", "run.json"} <= without


def test_the_sample_has_ladders_and_neither_verdict_nor_parts() -> None:
    names = {Path(file).name for file in targets.records(plan_of({}))}
    assert "parity.json" in names and not names & {"replicates.json", "parts.json"}


def test_an_ap_is_expected_by_registry_row_or_as_published() -> None:
    row = {"dataset": "coco_val2014-first1000", "model": "ssd_mobilenet_v2_coco_2018_03_29"}
    cells = [
        {**row, "protocol": "published_tf", "framework": "tensorflow", "precision": "fp32"},
        {**row, "protocol": "graph", "framework": "tensorflow", "precision": "fp32"},
    ]
    plan = plan_of({"dataset": "coco_val2017", "precisions": ["fp32", "int8"], "published": cells})
    expected = {(name.dataset, name.protocol, name.precision): plan.expected_of(name) for name in plan.supported}
    assert expected["coco_val2017", "heads", "fp32"].AP == 0.243
    assert expected["coco_val2017", "heads", "int8"] is None
    assert expected["coco_val2014-first1000", "published_tf", "fp32"].AP == 0.208
    assert expected["coco_val2014-first1000", "graph", "fp32"] is None
    assert plan.is_drawn(plan.published[1])  # explains a published row, although nothing is judged against it


def test_published_rows_are_one_cell_each_and_make_no_cross_product() -> None:
    row = {"model": "ssdlite_mobilenet_v2", "precision": "fp32"}
    published = [
        {**row, "dataset": "coco_val2014-first10", "protocol": "published_tf", "framework": "tensorflow"},
        {
            **row,
            "dataset": "coco_val2014-fileorder10",
            "protocol": "published_ort",
            "framework": "onnxruntime",
        },
    ]
    plan = plan_of({"datasets": [], "published": published})
    assert [(c.name.dataset, c.name.protocol) for c in plan.cells] == [
        ("coco_val2014-first10", "published_tf"),
        ("coco_val2014-fileorder10", "published_ort"),
    ]
    assert targets.pages(plan)[-1] == "results/published/index.html"


def test_a_protocol_of_another_framework_is_unsupported_with_the_reason() -> None:
    plan = plan_of({"protocols": ["published_tf"], "precisions": ["fp32"]})
    assert {cell.name.framework: bool(cell.unsupported) for cell in plan.cells} == {
        "tensorflow": False,
        "tflite": True,
        "onnxruntime": True,
        "openvino": True,
        "opencv": True,
    }


def test_a_finished_file_runs_as_what_it_is_and_as_nothing_else() -> None:
    plan = plan_of({"models": ["coral_ssd_mobilenet_v2_coco_quant"], "protocols": ["heads", "graph"]})
    (only,) = plan.supported
    assert (only.protocol, only.framework, only.precision) == ("graph", "tflite", "int8")
    assert plan.card(only).endswith("/graph/tflite/int8/card.json")


def test_frameworks_that_run_onnx_share_its_artifacts(tmp_path: Path) -> None:
    plan = plan_of({})
    cards: dict[str, set[str]] = {}
    for name in plan.supported:
        cards.setdefault(name.framework, set()).add(plan.card(name))
    assert cards["openvino"] == cards["onnxruntime"] > cards["opencv"]
    (tmp_path / "a.onnx").write_bytes(b"")
    (tmp_path / "mine.yaml").write_text(
        "models: {mine: {title: t, source: {kind: local, path: a.onnx}, format: onnx, given: [heads, int8], "
        "licence: l, trained_on: t, input_size: 300}}"
    )
    given = plan_of({"registries": [str(tmp_path / "mine.yaml")], "models": ["mine"]})
    assert {(name.framework, name.precision) for name in given.supported} == {
        ("onnxruntime", "int8"),
        ("openvino", "int8"),
    }
    assert len(targets.artifacts(given)) == 1


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"no dataset 'imagenet'.*coco_val2014"):
        plan_of({"dataset": "imagenet"})
    with pytest.raises(UserError, match=r"no model 'yolo'.*ssdlite_mobilenet_v2"):
        plan_of({"models": ["yolo"]})


def test_the_calibration_id_changes_with_number_seed_and_dataset() -> None:
    ids = {
        plan_of(overlay).calibration_id(dataset)
        for overlay, dataset in [
            ({}, "sample"),
            ({"calibration": {"images": 50}}, "sample"),
            ({"calibration": {"seed": 1}}, "sample"),
            ({"dataset": "coco_val2017-first5"}, "coco_val2017"),
        ]
    }
    assert len(ids) == 4


def test_fixed_weight_bits_name_onnx_files_and_no_others() -> None:
    def folders(bits: Any) -> dict[str, str]:
        plan = plan_of({"precisions": ["int8", "fp32"], "calibration": {"weight_bits": bits}})
        return {f"{cell.framework} {cell.precision}": Path(plan.artifact(cell)).name for cell in plan.supported}

    today, seven = folders("auto"), folders(7)
    assert not today["onnxruntime int8"].endswith("bit")
    assert seven["onnxruntime int8"] == seven["openvino int8"] == f"{today['onnxruntime int8']}-7bit"
    assert folders(8)["onnxruntime int8"].endswith("-8bit")
    others = [name for name in today if name not in ("onnxruntime int8", "openvino int8")]
    assert [seven[name] for name in others] == [today[name] for name in others]


def test_int8_mixed_files_are_named_by_the_share_that_they_keep() -> None:
    def folder(share: float, bits: Any = "auto", framework: str = "onnxruntime") -> str:
        overlay = {
            "precisions": ["int8_mixed", "fp32"],
            "verdict": {"share": share},
            "calibration": {"weight_bits": bits},
        }
        plan = plan_of(overlay)
        (cell,) = [one for one in plan.supported if (one.framework, one.precision) == (framework, "int8_mixed")]
        return Path(plan.artifact(cell)).name

    calibration = plan_of({}).calibration_id("sample")
    assert folder(0.99) == folder(0.99, framework="openvino") == f"int8_mixed-{calibration}-share0.99"
    assert folder(0.995, bits=7) == f"int8_mixed-{calibration}-7bit-share0.995"
    assert folder(0.99, bits=7, framework="tflite") == f"int8_mixed-{calibration}-share0.99"


def test_an_overlay_registry_replaces_a_row_and_adds_others(tmp_path: Path) -> None:
    rows = read_yaml(ROOT / "workflow" / "resources" / "registry.yaml")["models"]["ssdlite_mobilenet_v2"]
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(yaml.safe_dump({"models": {"ssdlite_mobilenet_v2": {**rows, "title": "mine"}, "other": rows}}))
    registry = plan_of({"registries": [str(overlay)]}).registry
    assert registry.model("ssdlite_mobilenet_v2").title == "mine"
    assert registry.model("other").input_size == 300


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("models: {x: {title: t}}", r"models.x lacks the key"),
        ("modles: {}", r"unknown key 'modles'.*Did you mean 'models'"),
        ("models: [", r"is not YAML"),
        (
            "models: {x: {title: t, source: {kind: local, path: gone.onnx}, format: onnx, given: [heads, fp32], "
            "licence: l, trained_on: t, input_size: 300}}",
            r"models.x.source.path is gone.onnx",
        ),
        (
            "models: {x: {title: t, source: {kind: file, file: {name: a, urls: ['file:///etc/passwd']}}, "
            "format: onnx, given: [heads, fp32], licence: l, trained_on: t, input_size: 300}}",
            r"models.x.source.file.urls.0",
        ),
    ],
)
def test_a_wrong_registry_file_is_one_sentence_that_names_it(tmp_path: Path, text: str, sentence: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=sentence) as caught:
        plan_of({"registries": [str(file)]})
    assert str(file) in str(caught.value)
    with pytest.raises(UserError, match="does not exist"):
        plan_of({"registries": [str(tmp_path / "nowhere.yaml")]})


@pytest.mark.parametrize(
    ("overlay", "sentence"),
    [
        ({"dataset": "coco_val2017-first9999"}, "asks for 9999 images, but coco_val2017 has 5000"),
        ({"dataset": "coco_val2017-ids-deadbeef"}, "no file under `id_files`"),
    ],
)
def test_what_a_dataset_does_not_have_is_known_before_the_run(overlay: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        plan_of(overlay)


def test_an_id_file_is_named_by_the_hash_of_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_bytes(b"\xef\xbb\xbf139\r\n285\r\n")
    plan = plan_of({"dataset": f"coco_val2017-ids-{sha256_file(file)[:8]}", "id_files": [str(file)]})
    assert list(plan.config.id_files.values()) == [(139, 285)]


def test_a_report_over_what_exists_asks_for_no_run_and_states_the_unsupported_cells() -> None:
    plan = plan_of({"absent": "failed"})
    assert targets.report_runs(plan, plan.supported) == []
    states = [cell["status"] for cell in report_context(plan, "sample")["unsupported"]]
    assert states == ["unsupported"] * 4
    assert targets.report_runs(plan_of({}), plan.supported) == plan.supported


def test_the_files_of_a_cell_are_those_that_it_has() -> None:
    plan = plan_of({})
    reference, other = plan.supported[:2]
    assert "parity" not in targets.cell_files(plan, reference)
    assert targets.cell_files(plan, other)["parity"] == f"{plan.folder(other)}/parity.json"
    assert "replicates" not in targets.cell_files(plan, other)  # none on the sample
