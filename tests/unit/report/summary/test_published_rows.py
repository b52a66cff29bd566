from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.dataset_tag import parse_tag
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.published import expected_of_published, load_published
from ssdbench.errors import UserError
from ssdbench.evaluation.bootstrap import Draws
from ssdbench.report.page.page import render_page
from ssdbench.report.summary.build_summary import build_summary
from ssdbench.report.words import CELL_WORDS
from support.report_cells import FP32, make_context, make_run, unready

FILE = Path(__file__).parents[4] / "workflow" / "resources" / "published.yaml"
SEED = 7
TF_FP32 = {
    "dataset": "coco_val2014-first1000",
    "model": "ssd_mobilenet_v2_coco_2018_03_29",
    "protocol": "published_tf",
}


def summary_of(runs: list, kind: str = "published") -> dict:
    return build_summary(runs, make_context(kind=kind, tag="published", images=[], published=load_published(FILE)))


def test_every_row_names_a_cell_that_can_be_run() -> None:
    rows = load_published(FILE)["rows"]
    assert len({row["id"] for row in rows}) == len(rows) == len({tuple(row["cell"].values()) for row in rows})
    for row in rows:
        parse_tag(row["cell"]["dataset"])
        how = protocol(row["cell"]["protocol"])
        assert row["cell"]["framework"] in how.frameworks
        assert (row["input_size"], row["channel_order"]) == (how.input_size, how.channel_order)


def test_the_published_figures_are_the_published_ones() -> None:
    rows = {row["id"]: row["values"] for row in load_published(FILE)["rows"]}
    assert rows["aml_tf_fp32"][0] == 0.208 and rows["aml_tf_fp32"][-1] == 0.531
    assert rows["aml_tf_int8"][0] == 0.194 and rows["aml_tf_int8"][-1] == 0.551
    assert rows["aml_ort_fp32"][0] == 0.264 and rows["aml_ort_fp32"][-1] == 0.670
    assert rows["aml_ort300_fp32"] is None and rows["aml_ort300_int8"] is None


def test_a_row_stands_beside_its_own_cell() -> None:
    entry = summary_of([make_run(**TF_FP32)])["published"][0]
    assert entry["id"] == "aml_tf_fp32" and entry["missing"] == ""
    assert entry["metrics"][0] == {
        "name": "AP",
        "published": 0.208,
        "ours": FP32[0],
        "difference": pytest.approx(FP32[0] - 0.208),
    }
    assert [metric["published"] for metric in entry["metrics"]][-1] == 0.531


@pytest.mark.parametrize(
    "change",
    [{"protocol": "heads"}, {"dataset": "coco_val2014-fileorder1000"}, {"model": "ssdlite_mobilenet_v2"}],
    ids=["protocol", "dataset", "model"],
)
def test_a_cell_that_differs_in_one_word_does_not_reproduce_it(change: dict[str, str]) -> None:
    run = make_run(**{**TF_FP32, **change})
    entry = summary_of([run])["published"][0]
    assert entry["row_id"] is None and entry["missing"] == "this cell was not run"
    assert all(metric["ours"] is None for metric in entry["metrics"])
    assert summary_of([run], kind="dataset")["published"] == []


def test_a_failed_reproduction_says_why() -> None:
    run = unready("failed", "the archive is gone", "tensorflow", "fp32", **TF_FP32)
    summary = summary_of([run])
    assert summary["published"][0]["missing"] == "failed: the archive is gone"
    assert "No figures of ours: failed: the archive is gone." in render_page(summary, [])


def test_the_published_page_starts_with_the_published_rows_and_names_reconstructions() -> None:
    page = render_page(summary_of([make_run(**TF_FP32)]), [])
    assert page.index('id="published"') < page.index('id="results"')
    shown = dict(re.findall(r'<article id="(\w+)".*?>(.*?)</article>', page, re.DOTALL))
    assert "A reconstruction" not in shown["aml_tf_fp32"]
    assert all("A reconstruction" in text for name, text in shown.items() if name != "aml_tf_fp32")
    assert "BGR, although the checkpoint was trained on RGB" in shown["aml_tf_fp32"]


def test_a_row_without_twelve_values_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "published.yaml"
    file.write_text(FILE.read_text().replace("[0.208, 0.307,", "[0.208,"))
    with pytest.raises(UserError, match="aml_tf_fp32 has 11 values"):
        load_published(file)


def draws_of(ap: float, images: int = 3) -> Draws:
    around = ap + 0.01 * np.random.default_rng(SEED).standard_normal((200, 1))
    return Draws(np.arange(images), SEED, np.full(5, ap), np.repeat(around, 5, axis=1))


def test_the_way_from_one_published_row_to_another_is_told_by_our_own_runs() -> None:
    graph = {**TF_FP32, "protocol": "graph"}
    other = {**graph, "dataset": "coco_val2014-fileorder1000"}
    ort = {**other, "protocol": "published_ort300", "framework": "onnxruntime"}
    last = {**ort, "protocol": "published_ort"}
    aps = (0.208, 0.251, 0.256, 0.256, 0.264)
    runs = [
        make_run(**cell, scores=(ap, *FP32[1:]))
        for cell, ap in zip((TF_FP32, graph, other, ort, last), aps, strict=True)
    ]
    context = make_context(kind="published", tag="published", images=[], published=load_published(FILE))
    names = ["/".join(run["cell"].values()) for run in runs]
    context["draws"] = {name: draws_of(ap, 3 if ap < 0.255 else 4) for name, ap in zip(names, aps, strict=True)}

    told = build_summary(runs, context)["explanations"]

    assert len(told) == 1  # the int8 cell was not run
    first, channels, images, framework, resize = told[0]["steps"]
    assert first["difference"] is None
    assert channels["difference"] == pytest.approx(0.043) and channels["low"] == pytest.approx(0.043)
    assert images["difference"] == pytest.approx(0.005) and images["low"] is None  # other images are not paired
    assert (framework["difference"], resize["difference"]) == pytest.approx((0, 0.008))
    assert told[0]["sentence"].startswith("Our own runs go from 0.208 to 0.264: +0.043 for channels in the order")
    page = render_page(build_summary(runs, context), [])
    assert "one change at a time" in page and "other images: no interval" in page


def test_an_explanation_with_a_cell_that_did_not_run_says_so_and_draws_no_conclusion() -> None:
    summary = summary_of([make_run(**TF_FP32)])
    (told,) = summary["explanations"]
    assert told["sentence"] == ""
    assert [step["missing"] for step in told["steps"]] == ["", *["this cell was not run"] * 4]
    assert "this cell was not run" in render_page(summary, [])


def test_every_step_of_an_explanation_is_a_cell_of_the_preset() -> None:
    preset = yaml.safe_load((FILE.parents[2] / "presets/coco_val2014_published.yaml").read_text())
    cells = [tuple(cell[word] for word in CELL_WORDS) for cell in preset["published"]]
    for explanation in load_published(FILE)["explanations"]:
        for step in explanation["steps"]:
            assert tuple(step["cell"][word] for word in CELL_WORDS) in cells


def test_a_published_row_lets_its_cell_expect_its_ap() -> None:
    expected = expected_of_published(load_published(FILE))
    assert len(expected) == 3
    tf = expected[CellName(**TF_FP32, framework="tensorflow", precision="fp32")]
    assert (tf.AP, tf.tolerance, tf.part) == (0.208, 0.01, "all")
    assert "Ampere Model Library" in tf.source
