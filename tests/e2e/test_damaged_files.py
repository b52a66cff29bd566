"""Files of an earlier run that are damaged on disk: readers name them and their step, `make retry` makes them again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from support.faults import Sound, accuracy_results
from support.project import Project
from support.tiny_project import CONFIG, tiny_project

pytestmark = [pytest.mark.slow, pytest.mark.full]

CELL = "results/local/tiny/heads/onnxruntime/fp32"
# Every kind of file that a later step reads.
FILES = [
    "resources/models/tiny/source/source.json",
    "resources/models/tiny/artifacts/heads/onnxruntime/fp32/card.json",
    "resources/models/tiny/artifacts/heads/onnxruntime/fp32/model.onnx",
    "resources/datasets/sample/annotations.json",
    "results/local/images.json",
    f"{CELL}/detections.json",
    f"{CELL}/detect.json",
    f"{CELL}/seen.npz",
    f"{CELL}/metrics.json",
    f"{CELL}/replicates.json",
    f"{CELL}/parity.json",
    f"{CELL}/diagnosis.json",
    f"{CELL}/timing.json",
    f"{Path(CELL).parents[1]}/timing/b1-t1-s1/round1.json",
    f"{CELL}/run.json",
    "results/local/summary.json",
]
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "overwritten": lambda data: b"\0" * len(data),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = tiny_project(tmp_path_factory.mktemp("damaged") / "made")
    done = project.run(config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def copy(made: Project, tmp_path: Path) -> Project:
    shutil.copytree(made.folder, tmp_path / "copy")
    return Project(tmp_path / "copy")


def retry(project: Project, *arguments: str) -> str:
    done = project.script("forget_failed.py", "--configfile", "test_config.yaml", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sound_run_is_left_alone(copy: Project) -> None:
    assert retry(copy) == "No failed step.\n"


@pytest.mark.parametrize("damage", list(DAMAGES))
@pytest.mark.parametrize("file", FILES)
def test_a_retry_finds_what_is_damaged(file: str, damage: str, copy: Project) -> None:
    path = copy.folder / file
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    said = retry(copy, "--dry-run")
    gone = path.parent if "resources/models" in file else path
    assert str(gone.relative_to(copy.folder)) in said


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_retry_makes_everything_again(damage: str, made: Project, copy: Project) -> None:
    for file in FILES:
        (copy.folder / file).write_bytes(DAMAGES[damage]((copy.folder / file).read_bytes()))
    retry(copy)
    done = copy.run(config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    assert accuracy_results(copy) == accuracy_results(made)
    assert Sound(copy.folder).faults() == []


@pytest.mark.parametrize("name", ["seen.npz", "detections.json", "detect.json"])
def test_a_plain_run_names_the_file_and_its_step(name: str, made: Project) -> None:
    # In place: a copy has other paths, so that its run would make everything anew.
    path = made.folder / CELL / name
    path.write_bytes(path.read_bytes()[:-20])
    done = made.run(config=CONFIG)
    said = done.stdout + done.stderr
    if name == "seen.npz":  # only the comparison reads it, and a measured cell does not fail with that
        assert done.returncode == 0
        said = json.loads((made.folder / CELL / "parity.json").read_text())["reason"]
    else:
        assert done.returncode == 1
    assert f"{CELL}/{name}" in said and "detect_objects makes it: run `make retry`" in said
    retry(made)
    assert made.run(config=CONFIG).returncode == 0
    assert Sound(made.folder).faults() == []
