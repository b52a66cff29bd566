"""The script behind `make compare`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from ssdbench.evaluation.bootstrap import to_record
from ssdbench.report.compare.results_folder import Measured
from ssdbench.report.words import CELL_WORDS
from support.compared_cells import make_cell


def write_cell(folder: Path, cell: Measured) -> Path:
    """The cell's files as a run leaves them; returns its folder."""
    words = cell.run["cell"]
    place = folder.joinpath(*(words[word] for word in CELL_WORDS))
    place.mkdir(parents=True)
    (place / "run.json").write_text(json.dumps(cell.run))
    (place / "detections.json").write_text(json.dumps(cell.detections_sha256))
    if cell.draws is not None:
        (place / "replicates.json").write_text(json.dumps({"status": "ok", **to_record(cell.draws)}))
    if cell.images is not None:
        images = [
            {"id": number, "file_name": f"{number}.jpg", "width": 1, "height": 1, "sha256": sha256}
            for number, sha256 in cell.images.items()
        ]
        facts = {"tag": words["dataset"], "dataset": "local", "folder": "x", "annotations": None, "notes": []}
        listed = {**facts, "annotations_sha256": "", "images": images}
        (folder / words["dataset"] / "images.json").write_text(json.dumps(listed))
    return place


def compare(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "workflow/scripts/compare_results.py"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=120)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two results folders with two cells each, of which one moved."""
    for name, ap in (("before", 0.30), ("after", 0.28)):
        write_cell(tmp_path / name, make_cell(ap))
        write_cell(tmp_path / name, make_cell(0.29, framework="tflite", precision="int8"))
    return tmp_path / "before", tmp_path / "after"


def test_the_script_prints_the_verdict_and_writes_the_page(folders: tuple[Path, Path]) -> None:
    before, after = folders
    done = compare(before, after)
    assert (done.returncode, done.stderr) == (0, "")
    assert "AP: 1 cell moved beyond noise, 1 cell has identical detections." in done.stdout
    page = after / "compare-with-before" / "index.html"
    assert done.stdout.splitlines()[-1] == str(page)
    assert "1 cell moved beyond noise" in page.read_text()


def test_a_folder_with_itself_and_the_folders_of_one_tag(folders: tuple[Path, Path], tmp_path: Path) -> None:
    before, after = folders
    same = compare(before, before, "-o", tmp_path / "out" / "same.html")
    assert same.returncode == 0 and "AP: nothing moved beyond noise" in same.stdout
    assert "Nothing else that was recorded differs." in same.stdout
    assert (tmp_path / "out" / "same.html").is_file() and not (before / "compare-with-before").exists()
    tag = compare(before / "local", after / "local")
    assert "AP: 1 cell moved beyond noise" in tag.stdout
    assert (after / "local" / "compare-with-local" / "index.html").is_file()


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("run.json", "{", "is not JSON"),
        (
            "run.json",
            "[1]",
            "is not the record of a cell. collect_run makes it: run `make retry`, and it is made again.",
        ),
        ("run.json", '{"status": "ok", "cell": {"model": "x"}}', "is not the record of a cell"),
        (
            "replicates.json",
            '{"status": "ok"}',
            "does not hold replicates. draw_replicates makes it: run `make retry`, and it is made again.",
        ),
        ("../../../../images.json", "{}", "is not an image list"),
    ],
)
def test_a_broken_file_is_named(file: str, content: str, sentence: str, folders: tuple[Path, Path]) -> None:
    before, after = folders
    (after / "local/ssdlite_mobilenet_v2/heads/tflite/int8" / file).write_text(content)
    done = compare(before, after)
    assert done.returncode == 1 and sentence in done.stderr and Path(file).name in done.stderr
    assert len(done.stderr.splitlines()) == 1 and not done.stdout


def test_folders_that_cannot_be_compared_get_one_sentence(folders: tuple[Path, Path], tmp_path: Path) -> None:
    before, after = folders
    (tmp_path / "empty").mkdir()
    write_cell(tmp_path / "other", make_cell(dataset="local-first10"))
    shutil.copytree(before / "local", before / "copy")
    for arguments, sentence in (
        ((tmp_path / "missing", after), "missing is not a folder."),
        ((after, tmp_path / "empty"), "empty holds no run.json of a cell."),
        ((after, tmp_path / "other"), "have no cell in common, so there is nothing to compare."),
        ((after, before), "before holds local/ssdlite_mobilenet_v2/heads/tensorflow/fp32 twice"),
        ((after, ""), "Give two results folders"),
        ((after, after, "-o", after / "local/images.json/index.html"), "cannot be written"),
    ):
        done = compare(*arguments)
        assert done.returncode == 1 and sentence in done.stderr, arguments
        assert len(done.stderr.splitlines()) == 1


def test_help_says_what_moved_means() -> None:
    done = compare("-h")
    assert done.returncode == 0
    assert "leaves out 0" in done.stdout and "compare-with-<name of A>" in " ".join(done.stdout.split())
