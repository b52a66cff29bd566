"""Real COCO images: every cell against the measured accuracy, by the workflow and by hand."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from e2e.conftest import LOCAL
from ssdbench.catalog.frameworks import artifact_of
from support.project import Project

pytestmark = pytest.mark.full
MODEL = "ssdlite_mobilenet_v2"
AP = 0.302  # of 130 images, RGB, protocol heads
AP_BGR = 0.232


@pytest.fixture(scope="module")
def project(local_project: Project) -> Project:
    """The default matrix has run on the real images."""
    return local_project


@pytest.fixture(scope="module")
def measured(project: Project) -> dict[tuple[str, str], float]:
    """AP by framework and precision."""
    return {name[2:]: float(row["AP"]) for name, row in project.summary("local").items() if row["status"] == "ok"}


def artifact(project: Project, kind: str, framework: str, precision: str) -> Path:
    """The model file of an artifact; int8 is the one calibrated for `local`."""
    folder = project.folder / f"resources/models/{MODEL}/artifacts/{kind}/{artifact_of(framework, precision)[0]}"
    (card,) = folder.glob(f"{precision}-local-*/card.json" if precision == "int8" else f"{precision}/card.json")
    return next(path for path in card.parent.iterdir() if path.suffix in (".pb", ".tflite", ".onnx"))


def ap_by_hand(project: Project, environment: dict[str, str], *arguments: str) -> float:
    done = project.script("run.py", *arguments, "--num_runs", "130", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "Metrics over 130 images" in done.stdout
    return float(re.search(r"^AP +([\d.]+)$", done.stdout, flags=re.M)[1])


def test_every_fp32_cell_has_the_measured_accuracy_and_they_agree(
    measured: dict[tuple[str, str], float],
) -> None:
    fp32 = [ap for (_, precision), ap in measured.items() if precision == "fp32"]
    assert fp32 == pytest.approx([AP] * 5, abs=0.003)
    assert max(fp32) - min(fp32) <= 0.0005


@pytest.mark.parametrize("framework", ["tflite", "onnxruntime", "openvino"])
def test_int8_keeps_96_and_fp16_99_5_percent(measured: dict[tuple[str, str], float], framework: str) -> None:
    reference = measured["tensorflow", "fp32"]
    assert measured[framework, "int8"] >= 0.96 * reference
    assert measured[framework, "fp16"] >= 0.995 * reference


def test_each_cell_has_a_verdict_against_the_reference(project: Project, measured: object) -> None:
    verdicts = {name[2:]: row["verdict"] for name, row in project.summary("local").items() if row["status"] == "ok"}
    assert verdicts.pop(("tensorflow", "fp32")) == ""
    assert {verdicts[name, "fp32"] for name in ("tflite", "onnxruntime", "openvino", "opencv")} == {"kept"}
    several = ("tflite", "onnxruntime", "openvino")
    assert {verdicts[name, "fp16"] for name in several} <= {"kept", "undecided"}
    assert {verdicts[name, "int8"] for name in several} <= {"undecided", "lost"}
    run = project.json(f"results/local/{MODEL}/heads/tflite/int8/run.json")
    interval = run["comparison"]["intervals"]["AP"]
    assert interval["low"] < interval["difference"] < interval["high"]
    assert interval["difference"] == pytest.approx(run["metrics"]["metrics"]["AP"] - AP, abs=0.003)


def test_each_cell_agrees_with_the_reference_within_what_its_precision_allows(
    project: Project, measured: dict[tuple[str, str], float]
) -> None:
    for framework, precision in measured.keys() - {("tensorflow", "fp32")}:
        run = project.json(f"results/local/{MODEL}/heads/{framework}/{precision}/run.json")
        ladder = run["parity"]
        assert [rung["name"] for rung in ladder["rungs"]] == ["pixels", "heads", "boxes", "ap"]
        assert ladder["first_departure"] is None, ladder["sentence"]
        assert ladder["rungs"][0]["figures"] == {"images": 130, "different": 0}
        assert run["diagnosis"]["asked"] == ""
        assert set(run["errors"]["cost_in_order"]) == {
            "classification", "localisation", "both", "duplicate", "background", "missed"
        }  # fmt: skip
    assert run["provenance"]["config"]["seeds"] == {"calibration": 0, "bootstrap": 0}


def test_held_out_and_seen_images_are_told_apart(project: Project, measured: object) -> None:
    parts = project.json(f"results/local/{MODEL}/heads/tensorflow/fp32/run.json")["parts"]
    assert (parts["held_out"]["images"], parts["seen"]["images"]) == (31, 99)
    assert parts["gap"]["low"] < parts["gap"]["difference"] < parts["gap"]["high"]
    assert parts["list"]["sha256"].startswith("a99cf34e")


def test_without_annotations_agreement_speed_and_pictures_are_left(
    project: Project, environment: dict[str, str], measured: object
) -> None:
    without = {key: value for key, value in environment.items() if key == "COCO_IMG_PATH"}
    config = {**LOCAL, "frameworks": ["tensorflow", "tflite"], "precisions": ["fp32"], "results_dir": "results_bare"}
    done = project.run(config=config, environment=without)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(project.summary("local", "results_bare").values())
    assert {(row["framework"], row["status"], row["AP"], row["verdict"], row["parity"]) for row in rows} == {
        ("tensorflow", "ok", "", "", ""),
        ("tflite", "ok", "", "", "agrees"),
    }
    assert all(float(row["latency_p50_ms"]) > 0 and row["images"] == "130" for row in rows)
    assert not list((project.folder / "results_bare").rglob("metrics.json"))
    page = (project.folder / "results_bare/local/report/index.html").read_text()
    assert "No annotations were given, so this report says how far the cells agree" in page
    assert page.count("data:image/jpeg") >= 12
    assert project.dry_run(config=config, environment=without) == {}


def test_the_figures_and_tables_of_the_report_are_files_too(project: Project, measured: object) -> None:
    folder = project.folder / "results/local/report"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for stem, suffixes in {"figures/accuracy_speed-g1": ("svg", "png"), "tables/results-g1": ("csv", "tex")}.items():
        assert {f"{stem}.{suffix}" for suffix in suffixes} <= names


def test_the_sample_carries_no_verdict(project: Project) -> None:
    assert {row["verdict"] for row in project.summary("sample").values()} == {""}


def test_without_calibration_images_int8_is_unsupported_before_the_run(
    project: Project, environment: dict[str, str], measured: object
) -> None:
    without = {key: value for key, value in environment.items() if key != "COCO_CALIB_PATH"}
    done = project.script("plan.py", "--config", "dataset=local", environment=without)
    assert "COCO_CALIB_PATH" in done.stdout
    assert "8 of 15 cells run" in done.stdout


def test_another_image_folder_reruns_what_it_must(
    project: Project, environment: dict[str, str], measured: object, tmp_path: Path
) -> None:
    shutil.copytree(environment["COCO_IMG_PATH"], tmp_path / "images")
    jobs = project.dry_run(config=LOCAL, environment={**environment, "COCO_IMG_PATH": str(tmp_path / "images")})
    assert jobs["list_images"] == jobs["choose_calibration"] == 1
    assert not jobs.keys() & {"convert_model", "fetch_model", "compose_sample"}
    assert project.dry_run(config=LOCAL, environment=environment) == {}


def test_bgr_pixels_cost_what_was_measured(project: Project, environment: dict[str, str], measured: object) -> None:
    model = artifact(project, "heads", "tflite", "fp32")
    options = ("-m", str(model), "-f", "tflite", "-p", "fp32")
    assert ap_by_hand(project, environment, *options, "--channel_order", "bgr") == pytest.approx(AP_BGR, abs=0.003)
    assert ap_by_hand(project, environment, *options) == pytest.approx(AP, abs=0.003)


@pytest.fixture(scope="module")
def graphs(project: Project, environment: dict[str, str], measured: object) -> None:
    """Make the `graph` artifacts, without running the cells."""
    folders = [
        f"resources/models/{MODEL}/artifacts/graph/{framework}/fp32"
        for framework in ("tensorflow", "tflite", "onnxruntime")
    ]
    done = project.run(*folders, config={**LOCAL, "protocols": ["graph"]}, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("graphs")
@pytest.mark.parametrize(
    ("kind", "framework", "flag"),
    [
        ("heads", "tensorflow", "tf"),
        ("graph", "tensorflow", "tf"),
        ("heads", "tflite", "tf"),
        ("graph", "tflite", "tflite"),
        ("heads", "onnxruntime", "ort"),
        ("graph", "onnxruntime", "onnxruntime"),
        ("heads", "openvino", "ov"),
        ("graph", "openvino", "openvino"),
        ("heads", "opencv", "opencv"),
    ],
)
def test_any_artifact_runs_by_hand(
    project: Project, environment: dict[str, str], kind: str, framework: str, flag: str
) -> None:
    model = artifact(project, kind, framework, "fp32")
    ap = ap_by_hand(project, environment, "-m", str(model), "-f", flag, "-p", "fp32")
    if kind == "heads":
        assert ap == pytest.approx(AP, abs=0.003)
    else:
        # Detections scored 0.3 or less are dropped inside: the known loss of the shipped graphs.
        assert 0.80 * AP < ap < 0.97 * AP


def test_anchors_are_found_without_the_card_and_wrong_ones_are_refused(
    project: Project, environment: dict[str, str], measured: object, tmp_path: Path
) -> None:
    model = tmp_path / "alone.onnx"
    shutil.copy(artifact(project, "heads", "onnxruntime", "fp32"), model)
    options = ("-m", str(model), "-f", "ort", "-p", "fp32")
    assert ap_by_hand(project, environment, *options) == pytest.approx(AP, abs=0.003)
    (tmp_path / "few.json").write_text("[[0, 0, 1, 1]]")
    done = project.script("run.py", *options, "--anchors", str(tmp_path / "few.json"), environment=environment)
    assert done.returncode == 1
    assert "1917" in done.stderr
    assert "Traceback" not in done.stderr
