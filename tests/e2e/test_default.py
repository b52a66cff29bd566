"""The default matrix, as a newcomer runs it, and what runs again when something changes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from e2e.conftest import QUICK
from ssdbench.coco.metric_names import METRICS
from support.project import Project

pytestmark = pytest.mark.slow
MODEL = "ssdlite_mobilenet_v2"
AP = 0.2733  # of the sample's 96 scenes, RGB, protocol heads; fed BGR it is about 0.2
CELLS = {
    ("tensorflow", "fp32"),
    ("tflite", "fp32"),
    ("tflite", "fp16"),
    ("tflite", "int8"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "fp16"),
    ("onnxruntime", "int8"),
    ("openvino", "fp32"),
    ("openvino", "fp16"),
    ("openvino", "int8"),
    ("opencv", "fp32"),
}


@contextmanager
def changed(path: Path, content: str | None) -> Iterator[None]:
    """Replace a file's text (None: take the file away) for the time of the block, with its times restored."""
    status, before = path.stat(), path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_every_supported_cell_is_ok_and_every_other_has_a_reason(project: Project) -> None:
    rows = project.summary("sample")
    assert {name[2:] for name, row in rows.items() if row["status"] == "ok"} == CELLS
    others = {name[2:]: row for name, row in rows.items() if row["status"] != "ok"}
    assert set(others) == {(name, precision) for name in ("tensorflow", "opencv") for precision in ("fp16", "int8")}
    for row in others.values():
        assert row["status"] == "unsupported"
        assert row["reason"]
        assert [row[name] for name in METRICS] == [""] * 12


def test_the_summary_has_the_promised_columns_and_plausible_numbers(project: Project) -> None:
    rows = project.summary("sample")
    for name, row in rows.items():
        if row["status"] != "ok":
            continue
        assert row["images"] == "96"
        assert float(row["AP"]) == pytest.approx(AP, abs=0.001 if name[3] == "fp32" else 0.015), name
        assert float(row["latency_p50_ms"]) > 0
        if row["latency_p90_ms"]:  # a round as short as this has too few queries of a slow cell
            assert float(row["latency_p50_ms"]) <= float(row["latency_p90_ms"])
        assert float(row["throughput_ips"]) > 0
        assert float(row["model_mb"]) > 1
        assert float(row["peak_rss_mb"]) > 50
    fp32 = [float(row["AP"]) for name, row in rows.items() if name[3] == "fp32"]
    assert max(fp32) - min(fp32) < 0.0005


def test_each_artifact_says_what_it_is(project: Project) -> None:
    folder = project.folder / f"resources/models/{MODEL}/artifacts/heads"
    cards = [project.json(str(path.relative_to(project.folder))) for path in folder.glob("*/*/card.json")]
    assert {(card["framework"], card["precision"]) for card in cards} == {
        ("tensorflow", "fp32"),
        *((framework, precision) for framework in ("tflite", "onnxruntime") for precision in ("fp32", "fp16", "int8")),
    }
    for card in cards:
        assert card["ops"]
        assert card["versions"]
        assert len(card["sha256"]) == 64
        assert card["size"] > 1_000_000
        assert (card["int8_share"] > 0.5) == (card["precision"] == "int8")
        assert (len(card["calibration"]["images"]) if card["calibration"] else 0) == (
            100 if card["precision"] == "int8" else 0
        )


def test_run_json_traces_the_result_to_what_it_was_made_from(project: Project) -> None:
    run = project.json(f"results/sample/{MODEL}/heads/tflite/int8/run.json")
    provenance = run["provenance"]
    for key in ("model_sha256", "artifact_sha256", "images_sha256", "annotations_sha256", "code_sha256"):
        assert re.fullmatch("[0-9a-f]{64}", provenance[key]), key
    assert provenance["versions"]["ai-edge-litert"]
    # The weights count, not only the file that names them: it is the hash of the whole package.
    assert provenance["model_sha256"] == "4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303"
    assert provenance["config"]["calibration"].startswith("sample-100-seed0-")
    assert provenance["host"]["cpu"]


def test_the_page_is_one_file_with_every_cell_and_the_banner(project: Project) -> None:
    page = (project.folder / "results/sample/report/index.html").read_text()
    assert len(page) < 4_000_000
    assert "not COCO" in page
    assert not re.search(r"(src|href)=[\"']https?://[^\"']*\.(js|css|png|jpg)", page)
    for framework in ("TensorFlow fp32", "TFLite int8", "ONNX Runtime fp16", "OpenVINO int8", "OpenCV fp32"):
        assert framework in page


def test_a_second_run_does_nothing(project: Project) -> None:
    assert project.dry_run(config=QUICK) == {}


def test_snakemake_makes_its_own_report_offline(project: Project) -> None:
    done = project.run("--report", "snakemake_report.html", config=QUICK)
    assert done.returncode == 0, done.stderr
    report = (project.folder / "snakemake_report.html").read_text()
    assert "summary.csv" in report
    assert "Metrics" in report


def test_a_changed_report_text_rebuilds_the_report_alone(project: Project) -> None:
    template = project.folder / "workflow/scripts/ssdbench/report/page/templates/template.html.j2"
    with changed(template, template.read_text() + "\n<!-- another word -->\n"):
        assert project.dry_run(config=QUICK) == {"build_report": 1, "check_cells": 1}


def test_deleted_detections_of_one_cell_rerun_that_cell_alone(project: Project) -> None:
    with changed(project.folder / f"results/sample/{MODEL}/heads/tflite/fp32/detections.json", None):
        assert project.dry_run(config=QUICK) == {
            "detect_objects": 1,
            "evaluate_detections": 1,
            "compare_with_reference": 1,
            "diagnose_cell": 1,
            "collect_run": 1,
            "build_report": 1,
            "check_cells": 1,
        }


def test_another_nms_threshold_converts_nothing(project: Project) -> None:
    jobs = project.dry_run(config={**QUICK, "nms": {"score": 0.3}})
    assert jobs["detect_objects"] == jobs["evaluate_detections"] == 11
    assert not jobs.keys() & {
        "convert_model",
        "quantise_model",
        "compose_sample",
        "list_images",
        "fetch_model",
    }


def test_another_calibration_size_remakes_int8_alone(project: Project) -> None:
    jobs = project.dry_run(config={**QUICK, "calibration": {"images": 60}})
    assert jobs["quantise_model"] == 2
    assert jobs["detect_objects"] == jobs["evaluate_detections"] == 3
    assert jobs["choose_calibration"] == 1
    assert not jobs.keys() & {"convert_model", "compose_sample", "list_images", "fetch_model"}


def test_another_subset_leaves_the_first_and_converts_nothing(project: Project) -> None:
    before = (project.folder / "results/sample/summary.csv").read_bytes()
    config = {**QUICK, "dataset": "sample-first4", "frameworks": ["tflite"], "precisions": ["fp32"]}
    jobs = project.dry_run(config=config)
    assert not jobs.keys() & {"convert_model", "quantise_model", "compose_sample", "fetch_model"}
    assert jobs["list_images"] == 1
    assert project.run(config={**config, "reference": {"framework": "tflite"}}).returncode == 0
    (row,) = project.summary("sample-first4").values()
    assert (row["status"], row["images"]) == ("ok", "4")
    assert (project.folder / "results/sample/summary.csv").read_bytes() == before


def test_edited_code_reruns_the_steps_that_run_through_it(project: Project) -> None:
    package = project.folder / "workflow/scripts/ssdbench"
    module = package / "evaluation/evaluate.py"
    with changed(module, module.read_text() + "\n# another line\n"):
        jobs = project.dry_run(config=QUICK)
    assert jobs["evaluate_detections"] == 11
    assert not jobs.keys() & {"detect_objects", "time_inference", "convert_model", "quantise_model"}


def test_a_changed_registry_row_converts_that_model_anew_and_its_words_nothing(project: Project) -> None:
    registry = project.folder / "workflow/resources/registry.yaml"
    text = registry.read_text()
    with changed(registry, text.replace("box_encodings: Squeeze", "box_encodings: Squeeze_1")):
        jobs = project.dry_run(config=QUICK)
    assert jobs["convert_model"] + jobs["quantise_model"] == 7
    with changed(registry, text.replace("title: SSDLite MobileNet v2, TensorFlow.js", "title: Another")):
        assert project.dry_run(config=QUICK) == {"build_report": 1, "check_cells": 1}


def test_other_words_on_a_protocol_rebuild_the_report_alone(project: Project) -> None:
    protocols = project.folder / "workflow/resources/protocols.yaml"
    with changed(protocols, protocols.read_text().replace("every framework", "each framework")):
        assert project.dry_run(config=QUICK) == {"build_report": 1, "check_cells": 1}


def test_another_mirror_fetches_nothing_again(project: Project) -> None:
    jobs = project.dry_run(config={**QUICK, "mirror": "http://127.0.0.1:9"})
    assert not jobs.keys() - {"collect_run", "build_report", "check_cells"}


def test_another_framework_version_measures_that_framework_anew(project: Project) -> None:
    table = project.folder / "workflow/scripts/ssdbench/catalog/frameworks.py"
    with changed(table, table.read_text().replace('("ai-edge-litert", "numpy")', '("ai-edge-litert",)')):
        jobs = project.dry_run("detections", config=QUICK)
    assert jobs["detect_objects"] >= 3


def test_timings_take_the_machine_and_a_lost_limit_is_refused(project: Project) -> None:
    done = project.run("--forcerun", "build_report", "--resources", "mem_mb=4000", config=QUICK)
    assert done.returncode == 1
    assert "limit of 100 slots" in done.stdout + done.stderr
    listed = project.run("--dry-run", "--forcerun", "time_inference", config=QUICK).stdout
    resources = re.findall(r"^rule (\w+):.*?slots=(\d+)", listed, flags=re.M | re.S)
    assert {slots for rule, slots in resources if rule == "time_inference"} == {"100"}


def test_the_real_page_is_quiet_in_a_browser_and_accessible(project: Project, browser: Browser) -> None:
    said: list[str] = []
    for width, scheme in ((1280, "light"), (375, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request", lambda request: said.append(request.url) if request.url[:5] not in ("file:", "data:") else None
        )
        page.goto((project.folder / "results/sample/report/index.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 1280:  # the last column is not cut off
            assert page.evaluate("""[...document.querySelectorAll("#results table:not(.dense)")].every(
                (table) => table.offsetWidth <= table.parentElement.clientWidth)""")
        found = Axe().run(page).response["violations"]
        assert not [rule["id"] for rule in found if rule["impact"] in ("serious", "critical")]
        page.close()
    assert said == []
