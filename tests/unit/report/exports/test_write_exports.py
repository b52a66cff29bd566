from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from ssdbench.evaluation.tide import ERRORS
from ssdbench.report.exports import plots
from ssdbench.report.exports.tables import latex_text, metrics_latex, results_latex
from ssdbench.report.exports.write_exports import write_exports
from ssdbench.report.summary.build_summary import build_summary
from support.report_cells import FP32, KEPT, LOST, judged, make_context, make_run, unready

HOSTILE = "a_b & 100 % #1 $x$ {~^} <b>\\input{/etc/passwd}\n\n\x07[1]"
# Signs that TeX takes for its own unless a backslash stands before them.
BARE = re.compile(r"(?<!\\)[&%#_$]")


def summary_of(runs: list[dict[str, Any]], **context: Any) -> dict[str, Any]:
    """A summary to which the parts that are not in every run are added: ranges of latency and TIDE errors."""
    summary = build_summary(runs, make_context(**context))
    for number, row in enumerate(summary["rows"]):
        if row["latency_p50_ms"] is not None:
            row |= {"latency_p50_low_ms": 0.9 * row["latency_p50_ms"], "latency_p50_high_ms": 12.5}
        if row["AP"] is not None:
            costs = {kind: 0.01 * (place + number) for place, kind in enumerate(ERRORS)}
            counts = dict.fromkeys(ERRORS, 7)
            errors = {"status": "ok", "ap50": 0.47, "cost": costs, "cost_in_order": costs, "counts": counts}
            summary["details"][row["id"]]["errors"] = errors
    return summary


def matrix() -> list[dict[str, Any]]:
    """The reference, cells of two verdicts, one with a timing that is not valid, one that failed, one that cannot."""
    crowded = make_run("onnxruntime", "fp16", p50=3.0)
    crowded["timing"] |= {"timing_valid": False, "timing_reason": "round 2: 1.9 cores at work where 1 were asked for"}
    return [
        make_run(),
        judged(KEPT, "tflite", "fp32", p50=10.0),
        judged(LOST, "tflite", "int8", p50=5.0),
        crowded,
        unready("failed", "the converter ran too long", "openvino", "fp32"),
        unready("unsupported", "no fp16 in this framework", "tensorflow", "fp16"),
    ]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the matrix's figures and tables."""
    folder = tmp_path_factory.mktemp("exported")
    write_exports(summary_of(matrix()), folder)
    return folder


def names(paths: list[Path], folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in paths}


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


def texts(svg: bytes) -> list[str]:
    """What stands in a figure as text."""
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")
    ]


def tables_of(latex: str) -> list[list[str]]:
    """The lines of the first table between its rules, each split into columns."""
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0]
    lines = [line for line in body.split("\\\\\n") if line.strip()]
    return [[column.strip() for column in re.split(r"(?<!\\)&", line)] for line in lines]


def check_latex(latex: str) -> None:
    """What TeX would stumble over: environments and braces that do not match, signs that it takes for its own."""
    lines = [line for line in latex.splitlines() if not line.startswith("%")]
    text = "\n".join(lines)
    opened: list[str] = []
    for word, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if word == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    braces = re.sub(r"\\[{}]", "", text)
    depth = 0
    for sign in re.findall(r"[{}]", braces):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0
    assert "\n\n" not in text and text.isprintable() is False and all(line.isprintable() for line in lines)
    columns = len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1])  # type: ignore[index]
    for line in lines:
        if line.endswith(r"\\"):
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1
            assert not line.lstrip().startswith("[")
            line = re.sub(r"\$(-|\\dagger)\$", "", line).replace("&", "")
            assert not BARE.search(re.sub(r"\\[&%#_$]", "", line))
        elif "tabular" not in line and r"\label" not in line:
            assert not BARE.search(re.sub(r"\$(-|\\dagger)\$", "", line)), line


def test_a_group_gets_its_figures_and_tables(exported: Path) -> None:
    figures = {f"figures/{name}-g1" for name in ("accuracy_speed", "class_change", "errors")}
    tables = {f"tables/{name}-g1.csv" for name in ("results", "metrics", "classes", "errors", "timing")}
    assert names([path for path in exported.rglob("*") if path.is_file()], exported) == {
        *(f"{figure}.{kind}" for figure in figures for kind in ("svg", "png")),
        *tables,
        "tables/results-g1.tex",
        "tables/metrics-g1.tex",
    }


def test_each_group_has_files_of_its_own(tmp_path: Path) -> None:
    both = write_exports(summary_of([make_run(), make_run(protocol="graph")]), tmp_path)
    assert {path.stem.split("-")[1] for path in both} == {"g1", "g2"}


def test_without_any_result_the_folders_are_there_and_empty_of_figures(tmp_path: Path) -> None:
    write_exports(summary_of([unready("failed", "no memory", "tflite", "int8")]), tmp_path)
    assert (tmp_path / "figures").is_dir() and not list((tmp_path / "figures").iterdir())
    assert (tmp_path / "tables").is_dir()


def test_results_hold_the_measured_numbers_and_nothing_for_what_is_missing(exported: Path) -> None:
    rows = rows_of(exported / "tables/results-g1.csv")
    assert [row["framework"] for row in rows] == [
        *("tensorflow", "tflite", "tflite"),
        "onnxruntime",
        "openvino",
        "tensorflow",
    ]
    assert (rows[0]["AP"], rows[0]["latency_p50_ms"], rows[0]["model_mb"]) == ("0.3016", "11.0", "18.0")
    assert (rows[2]["verdict"], rows[2]["AP_change_low"], rows[2]["AP_change_high"]) == ("lost", "-0.0415", "-0.0187")
    assert (rows[3]["timing_valid"], rows[3]["timing_reason"][:8]) == ("false", "round 2:")
    assert {rows[4][name] for name in ("AP", "AP50", "latency_p50_ms", "throughput_ips", "model_mb")} == {""}
    metrics = rows_of(exported / "tables/metrics-g1.csv")
    assert metrics[0]["ARlarge"] == "0.7074" and metrics[4]["ARlarge"] == ""


def test_classes_have_their_change_from_the_reference_and_no_minus_one(exported: Path) -> None:
    rows = [row for row in rows_of(exported / "tables/classes-g1.csv") if row["precision"] == "int8"]
    by_name = {row["class"]: row for row in rows}
    assert float(by_name["cat"]["AP_change"]) == pytest.approx(-0.0302)
    assert (by_name["hair drier"]["AP"], by_name["hair drier"]["AP_change"]) == ("", "")


def test_stages_and_errors_are_told_apart(exported: Path) -> None:
    stages = rows_of(exported / "tables/timing-g1.csv")
    assert [(row["framework"], row["stage"], row["p50_ms"], row["p99_ms"]) for row in stages[1:3]] == [
        ("tensorflow", "preprocess", "0.4", ""),
        ("tflite", "decode", "2.1", ""),
    ]
    errors = rows_of(exported / "tables/errors-g1.csv")
    assert (errors[1]["cost_in_order_classification"], errors[1]["count_missed"]) == ("0.01", "7")
    assert len(errors) == 4


def test_latex_marks_a_timing_that_is_not_valid_and_says_why(exported: Path) -> None:
    latex = (exported / "tables/results-g1.tex").read_text()
    check_latex(latex)
    rows = {row[0]: row for row in tables_of(latex)}
    assert [text.endswith(r"$\dagger$") for text in rows["ONNX Runtime fp16"]] == [False] * 5 + [True] * 4 + [False]
    assert rows["TFLite int8"][2:4] == ["$-$0.0302 ($-$0.0415 to $-$0.0187)", "lost"]
    assert set(rows["OpenVINO fp32"][1:]) == {"--"}
    assert "The timing of ONNX Runtime fp16 is not valid: round 2: 1.9 cores at work where 1 were asked for." in latex
    assert "OpenVINO fp32 failed: the converter ran too long." in latex
    assert "batch 1 with 1 thread and 1 stream; Example CPU @ 2.0 GHz; tensorflow 1.0" in latex


def test_latex_of_twelve_metrics_holds_together(exported: Path) -> None:
    latex = (exported / "tables/metrics-g1.tex").read_text()
    check_latex(latex)
    assert tables_of(latex)[0][1:] == [f"{score:.3f}" for score in FP32]


def test_the_sample_has_no_verdict_and_is_never_called_coco(tmp_path: Path) -> None:
    images = [{"tag": "sample", "dataset": "sample", "images": [{"id": 1}], "notes": []}]
    runs = [make_run(dataset="sample"), make_run("tflite", "int8", dataset="sample", scores=(0.2, *FP32[1:]))]
    write_exports(summary_of(runs, tag="sample", images=images), tmp_path)
    latex = (tmp_path / "tables/results-g1.tex").read_text()
    check_latex(latex)
    assert "not COCO" in latex and "Verdict" not in latex and "Change (95" not in latex
    figure = (tmp_path / "figures/accuracy_speed-g1.svg").read_bytes()
    assert "which is not COCO" in " ".join(texts(figure))


@pytest.mark.parametrize("write", [results_latex, metrics_latex])
def test_hostile_names_stay_text_in_latex(write: Callable[..., str]) -> None:
    runs = [make_run(HOSTILE, HOSTILE, model=HOSTILE), unready("failed", HOSTILE, "tflite", HOSTILE, model=HOSTILE)]
    runs[0]["timing"] |= {"timing_valid": False, "timing_reason": HOSTILE, "host": {"cpu": HOSTILE}, "setting": HOSTILE}
    summary = summary_of(runs, models={HOSTILE: {"title": HOSTILE}})
    latex = write(summary, summary["groups"][0])
    check_latex(latex)
    assert r"\input" not in latex and r"\textbackslash{}input\{/etc/passwd\} {[}1]" in latex


def test_escaped_text_reads_as_it_was() -> None:
    assert latex_text("100 % of −3 – x_1") == r"100 \% of $-$3 -- x\_1"
    assert latex_text("one\n\ntwo\x00three") == "one two three"


def test_hostile_names_stay_text_in_figures(tmp_path: Path) -> None:
    runs = [make_run(), make_run(HOSTILE, HOSTILE, scores=(0.2, *FP32[1:]))]
    for run in runs:
        run["metrics"]["per_class"][0]["name"] = HOSTILE
    write_exports(summary_of(runs), tmp_path)
    shown = "a_b & 100 % #1 $x$ {~^} <b>\\i…"  # cut, so that room is left for the figure
    for name in ("accuracy_speed", "class_change", "errors"):
        found = texts((tmp_path / f"figures/{name}-g1.svg").read_bytes())
        assert any(shown in text for text in found), name


def test_the_same_summary_gives_the_same_bytes_whatever_the_machine_is_set_to(tmp_path: Path) -> None:
    summary = summary_of(matrix())
    first = {path.name: path.read_bytes() for path in write_exports(summary, tmp_path / "a")}
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.facecolor": "red", "savefig.dpi": 30}):
        second = {path.name: path.read_bytes() for path in write_exports(summary, tmp_path / "b")}
    assert first == second
    assert not any(b"<dc:date>" in data for name, data in first.items() if name.endswith("svg"))


def test_figures_are_as_wide_as_a_column_and_sharp(exported: Path) -> None:
    data = (exported / "figures/accuracy_speed-g1.png").read_bytes()
    assert int.from_bytes(data[16:20], "big") == 680  # 3.4 inches at 200 dpi


def marks_of(summary: dict[str, Any]) -> dict[tuple[float, float], str]:
    """The fill of each cell's mark, by its latency and AP; and the corners of the Pareto line under `line`."""
    with plots.plot_style():
        figure = plots.accuracy_speed(summary, summary["groups"][0])
    assert figure is not None
    (axes,) = figure.axes
    single = [line for line in axes.lines if len(line.get_xdata()) == 1]
    return {
        (round(float(line.get_xdata()[0]), 3), line.get_ydata()[0]): "hollow"
        if line.get_markerfacecolor() == "white"
        else "filled"
        for line in single
    }


def test_a_timing_that_is_not_valid_is_hollow_and_off_the_line() -> None:
    summary = summary_of(matrix())
    marks = marks_of(summary)
    assert marks[(round(11 / 3, 3), FP32[0])] == "hollow"
    assert list(marks.values()).count("filled") == 3
    with plots.plot_style():
        figure = plots.accuracy_speed(summary, summary["groups"][0])
    line = figure.axes[0].lines[0]  # type: ignore[union-attr]
    assert line.get_drawstyle() == "steps-post"
    assert list(line.get_xdata()) == pytest.approx([11 / 5, 11 / 10, 1.0])


def test_bars_run_over_the_interval_of_the_speed_and_over_the_interval_around_the_references_ap() -> None:
    summary = summary_of([make_run(), judged(LOST, "tflite", "int8", p50=5.0)])
    with plots.plot_style():
        figure = plots.accuracy_speed(summary, summary["groups"][0])
    bars = [(list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[0].lines]  # type: ignore[union-attr]
    ap = FP32[0] + LOST[0]
    found = [tuple(np.round(bar, 4).ravel()) for bar in bars if len(bar[0]) == 2]
    assert tuple(np.round([0.98 * 2.2, 1.02 * 2.2, ap, ap], 4)) in found
    assert tuple(np.round([2.2, 2.2, FP32[0] + LOST[1], FP32[0] + LOST[2]], 4)) in found


def test_the_fifteen_classes_that_moved_most_are_shown() -> None:
    runs = [make_run(), make_run("tflite", "int8")]
    for run, part in zip(runs, (0.0, 0.01), strict=True):
        run["metrics"]["per_class"] = [
            {"category_id": n, "name": f"class{n}", "AP": 0.2 + part * n, "truths": n} for n in range(30)
        ]
    summary = summary_of(runs)
    with plots.plot_style():
        figure = plots.class_change(summary, summary["groups"][0])
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]  # type: ignore[union-attr]
    assert shown == [f"class{n} ({n})" for n in range(29, 14, -1)]


@pytest.mark.parametrize(
    "runs",
    [
        [unready("failed", "no network", "tensorflow", "fp32"), unready("unsupported", "no such op", "tflite", "int8")],
        [make_run(metrics={"status": "unsupported", "reason": "no annotations", "log": ""})],
        [make_run(timing={"status": "failed", "reason": "killed", "log": ""})],
        [make_run("tflite"), make_run("tflite", "int8")],
    ],
    ids=["nothing ran", "no annotations", "not timed", "no reference"],
)
def test_tables_stand_where_there_is_little_to_show(runs: list[dict[str, Any]], tmp_path: Path) -> None:
    written = names(write_exports(build_summary(runs, make_context()), tmp_path), tmp_path)
    assert {
        "tables/results-g1.csv",
        "tables/results-g1.tex",
        "tables/metrics-g1.csv",
        "tables/metrics-g1.tex",
    } <= written
    assert not {"figures/class_change-g1.svg", "figures/errors-g1.svg", "tables/errors-g1.csv"} & written
    for latex in tmp_path.glob("tables/*.tex"):
        check_latex(latex.read_text())
    assert len(rows_of(tmp_path / "tables/results-g1.csv")) == len(runs)
