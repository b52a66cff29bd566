"""The configuration: every mistake is one sentence, and the shipped file is the schema's documentation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT
from ssdbench.errors import UserError
from ssdbench.files.reading import read_yaml
from ssdbench.files.schema import with_defaults
from ssdbench.plan.config import load_config, merge
from ssdbench.plan.load import load_plan

SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
SHIPPED = ROOT / "config.yaml"


def test_the_shipped_config_states_every_default() -> None:
    assert with_defaults({}, read_yaml(SCHEMA)) == read_yaml(SHIPPED)


def test_every_key_of_the_shipped_config_has_a_comment_above_it() -> None:
    lines = SHIPPED.read_text(encoding="utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if re.match(r"[a-z_]+:", line)]
    assert len(keys) == len(read_yaml(SCHEMA)["properties"])
    assert [lines[number] for number in keys if not lines[number - 1].startswith("#")] == []


def test_every_key_of_the_schema_is_described() -> None:
    def undescribed(schema: dict[str, Any], path: str) -> list[str]:
        found = []
        for key, part in schema.get("properties", {}).items():
            if "description" not in part:
                found.append(f"{path}{key}")
            found += undescribed(part, f"{path}{key}.")
        return found

    assert undescribed(read_yaml(SCHEMA), "") == []


@pytest.mark.parametrize("preset", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda path: path.name)
def test_every_preset_plans_supported_cells(preset: Path) -> None:
    plan = load_plan(merge(read_yaml(SHIPPED), read_yaml(preset)), ROOT, {})
    assert plan.supported


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"datset": "sample"}, r"unknown key 'datset'.*Did you mean 'dataset'"),
        ({"nms": {"treshold": 1}}, r"unknown key 'treshold' in nms"),
        ({"frameworks": ["tensorflw"]}, r"frameworks.0 is 'tensorflw'; allowed are tensorflow, tflite"),
        ({"precisions": ["fp8"]}, r"precisions.0 is 'fp8'; allowed are fp32"),
        ({"protocols": ["head"]}, r"protocols.0 is 'head'; allowed are heads"),
        ({"timing": {"threads": 0}}, r"timing.threads: 0 is less than the minimum of 1"),
        ({"timing": {"threads": "two"}}, r"timing.threads is 'two', which is not of type integer or array"),
        ({"nms": "{score: 0.5}"}, r"nms is '{score: 0.5}', which is not of type object"),
        ({"models": ["../x"]}, r"models.0"),
        ({"models": []}, r"nothing to measure"),
        ({"datasets": ["COCO 17"]}, r"dataset tag 'COCO 17' is not understood"),
        ({"results_dir": "/tmp/x"}, r"results_dir is '/tmp/x'"),
        ({"results_dir": "../x"}, r"results_dir is '../x'"),
        ({"results_dir": "resources/x"}, r"results_dir is 'resources/x'"),
        ({"mirror": "file:///etc"}, r"mirror"),
        ({"local": {"images": "a\0b"}}, r"local.images is 'a.x00b', which is no path"),
        ({"id_files": ["nowhere.txt"]}, r"id file nowhere.txt cannot be read"),
        ({"published": [{"dataset": "sample"}]}, r"published.0 lacks the key 'model'"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_key(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        load_config(merge(read_yaml(SHIPPED), wrong), SCHEMA, {})
    assert "\n" not in str(caught.value)


def test_dataset_on_the_command_line_stands_for_the_list() -> None:
    config = load_config({"dataset": "coco_val2017-first5", "datasets": ["sample"]}, SCHEMA, {})
    assert config.datasets == ("coco_val2017-first5",)


def test_local_paths_come_from_the_config_before_the_environment(tmp_path: Path) -> None:
    environment = {"COCO_IMG_PATH": "/elsewhere", "COCO_ANNO_PATH": str(tmp_path / "a.json")}
    local = load_config({"local": {"images": str(tmp_path)}}, SCHEMA, environment).local
    assert (local.images, local.annotations, local.calibration) == (tmp_path, tmp_path / "a.json", None)


_LEAVES = st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | st.text(max_size=8)
_VALUES = st.recursive(
    _LEAVES | st.sampled_from(["heads", "tflite", "int8", "sample", "local", "coco_val2014-first3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(read_yaml(SCHEMA)["properties"])) | st.text(max_size=6), _VALUES, max_size=4)
)
def test_any_config_plans_a_matrix_or_is_refused_with_a_sentence(config: dict[str, Any]) -> None:
    try:
        plan = load_plan(merge(read_yaml(SHIPPED), config), ROOT, {})
    except UserError as error:
        assert str(error).strip()
    else:
        assert plan.cells


def test_merge_is_what_snakemake_does_with_configfiles() -> None:
    base = yaml.safe_load("{a: {b: 1, c: [1, 2]}, d: [1]}")
    overlay = yaml.safe_load("{a: {c: [3]}, d: [2], e: 5}")
    assert merge(base, overlay) == {"a": {"b": 1, "c": [3]}, "d": [2], "e": 5}


def test_numbers_inside_a_mapping_of_the_command_line_arrive_as_text_and_count_as_numbers() -> None:
    """As `--config 'timing={"seconds": 1, "batches": [1, 4]}' 'nms={"score": "1e-8"}'` does."""
    raw = {"timing": {"seconds": "1.5", "rounds": "2", "batches": ["1", "4"], "streams": "2"}, "nms": {"score": "1e-8"}}
    config = load_config(raw, SCHEMA, {})
    assert (config.timing.seconds, config.timing.rounds) == (1.5, 2)
    assert (config.timing.batches, config.timing.streams) == ((1, 4), (2,))
    assert config.nms["score"] == 1e-8


@pytest.mark.parametrize(("text", "bits"), [("7", 7), ("8", 8), ("auto", "auto")])
def test_a_number_among_words_arrives_as_text_too(text: str, bits: int | str) -> None:
    assert load_config({"calibration": {"weight_bits": text}}, SCHEMA, {}).weight_bits == bits


@pytest.mark.parametrize("text", ["", "two", "nan", "inf", "1 2"])
def test_other_text_in_place_of_a_number_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"timing\.seconds is "):
        load_config({"timing": {"seconds": text}}, SCHEMA, {})


def test_a_configuration_with_patience_is_told_what_took_its_place() -> None:
    with pytest.raises(UserError, match=r"timing.patience is gone.*timing.interval_width") as caught:
        load_config({"timing": {"patience": 4}}, SCHEMA, {})
    assert "timing.rounds" in str(caught.value)
