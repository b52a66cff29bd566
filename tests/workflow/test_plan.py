"""What a run would do: job counts, sentences for wrong input, lint. Nothing is executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.project import Project

MODEL = "ssdlite_mobilenet_v2"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copy_to(tmp_path_factory.mktemp("plan") / "project")


def test_the_default_matrix_is_eleven_cells_that_are_timed_together(project: Project) -> None:
    jobs = project.dry_run()
    assert jobs == {
        "fetch_model": 1,
        "compose_sample": 1,
        "choose_calibration": 1,
        "list_images": 1,
        "convert_model": 5,
        "quantise_model": 2,
        "detect_objects": 11,
        "time_inference": 3,
        "combine_rounds-sample-ssdlite_mobilenet_v2-heads-b1-t1-s1": 1,
        "evaluate_detections": 11,
        "compare_with_reference": 10,
        "diagnose_cell": 11,
        "collect_run": 11,
        "build_report": 1,
        "check_cells": 1,
    }


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("fetch", {"fetch_model", "compose_sample", "choose_calibration", "list_images"}),
        (
            "models",
            {"fetch_model", "compose_sample", "choose_calibration", "convert_model", "quantise_model"},
        ),
    ],
)
def test_a_target_stops_where_its_name_says(project: Project, target: str, rules: set[str]) -> None:
    assert set(project.dry_run(target)) - {target} == rules


def test_detections_and_report_are_targets_too(project: Project) -> None:
    assert project.dry_run("detections")["detect_objects"] == 11
    assert "time_inference" not in project.dry_run("detections")
    assert project.dry_run("report")["build_report"] == 1


def test_coco_is_fetched_and_not_composed(project: Project) -> None:
    jobs = project.dry_run("fetch", "--config", "dataset=coco_val2017-first20")
    assert jobs == {
        "download_annotations": 1,
        "fetch_images": 1,
        "fetch_calibration": 1,
        "fetch_model": 1,
        "fetch": 1,
    }


def test_a_changed_sample_does_not_hide_the_steps_of_another_dataset(tmp_path: Path) -> None:
    project = Project.copy_to(tmp_path / "project")
    assert project.run("fetch", "resources/datasets/sample/calibration").returncode == 0
    with (project.folder / "workflow/scripts/compose_sample.py").open("a") as script:
        script.write("# another version\n")
    (tmp_path / "a.jpg").write_bytes(b"not looked at while planning")
    jobs = project.dry_run("--config", "dataset=local", environment={"COCO_IMG_PATH": str(tmp_path)})
    assert {"compose_sample", "convert_model", "detect_objects", "build_report"} <= jobs.keys()


def test_a_single_file_can_be_asked_for(project: Project) -> None:
    jobs = project.dry_run(f"results/sample/{MODEL}/heads/tflite/fp32/metrics.json")
    assert jobs["detect_objects"] == jobs["convert_model"] == 1
    assert "time_inference" not in jobs


@pytest.mark.parametrize(("size", "shards"), [(96, 0), (95, 2), (32, 3), (30, 4)])
def test_accuracy_runs_are_split_only_where_there_are_more_images(project: Project, size: int, shards: int) -> None:
    jobs = project.dry_run("detections", config={"shard_images": size})
    assert jobs.get("detect_objects", 0) == (0 if shards else 11)
    assert jobs.get("detect_shard", 0) == 11 * shards
    assert jobs.get("merge_shards", 0) == (11 if shards else 0)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"frameworks": ["tensorrt"]},
            "frameworks.0 is 'tensorrt'; allowed are tensorflow, tflite, onnxruntime, openvino, opencv, ",
        ),
        ({"datsets": ["sample"]}, "unknown key 'datsets'. Did you mean 'datasets'?"),
        ({"dataset": "local"}, "COCO_IMG_PATH"),
        ({"models": ["resnet"]}, "There is no model 'resnet' in the registry."),
        ({"registries": ["mine.yaml"]}, "mine.yaml does not exist."),
    ],
)
def test_wrong_input_is_a_sentence_before_any_work(project: Project, config: dict[str, Any], sentence: str) -> None:
    done = project.run(config=config)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.folder / "results").exists()


def test_a_misspelt_path_is_no_rule_and_no_doomed_job(project: Project) -> None:
    done = project.run("--dry-run", f"results/sample/{MODEL}/heads/tflight/fp32/metrics.json")
    assert done.returncode == 1
    assert "MissingRuleException" in done.stdout + done.stderr


def test_too_little_disk_is_one_sentence(project: Project, tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    huge.write_text(
        "models: {huge: {title: t, source: {kind: file, file: {name: a.tflite, urls: ['http://127.0.0.1/a'], "
        "size: 900000000000000}}, format: tflite, given: [heads, fp32], licence: l, trained_on: t, input_size: 300}}"
    )
    done = project.run(config={"registries": [str(huge)], "models": ["huge"]})
    assert done.returncode == 1
    assert "needs about 1800000.1 GB of disk" in done.stderr


def test_plan_names_cells_reasons_downloads_disk_and_time(project: Project) -> None:
    done = project.script("plan.py", "--config", "dataset=coco_val2017-first500")
    assert done.returncode == 0, done.stderr
    assert "11 of 15 cells run. Images: coco_val2017-first500 (500)." in done.stdout
    assert "unsupported: TensorFlow runs the frozen graph" in " ".join(done.stdout.split())
    assert "annotations_trainval2017.zip: 252.9 MB" in done.stdout
    assert "500 images of coco_val2017-first500: 81.5 MB" in done.stdout
    assert "Disk: about" in done.stdout
    assert "Time after the downloads: roughly" in done.stdout
    wrong = project.script("plan.py", "--config", "dataset=nowhere")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "There is no dataset 'nowhere'" in wrong.stderr


def test_plan_fetches_the_archive_where_single_images_would_be_too_many(project: Project) -> None:
    done = project.script("plan.py", "--configfile", "presets/coco_val2017.yaml")
    assert "val2017.zip: 815.6 MB" in done.stdout
    assert "ssd_mobilenet_v2_coco_2018_03_29.tar.gz: 187.9 MB" in done.stdout
