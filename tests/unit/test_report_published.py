from __future__ import annotations

import re
from pathlib import Path

import pytest

from ssdbench.errors import UserError
from ssdbench.protocols import protocol
from ssdbench.report.page import render_page
from ssdbench.report.published import load_published
from ssdbench.report.summary import build_summary
from ssdbench.tags import parse_tag
from support.report_cells import FP32, make_context, make_run, unready

FILE = Path(__file__).parents[2] / "workflow" / "resources" / "published.yaml"
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
