"""Folders with names that a shell or Snakemake could take for something else are names and nothing more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.project import Project
from support.tiny_detector import images

pytestmark = pytest.mark.slow

NAMES = [
    "it's; touch pwned; '",
    '"$(touch pwned)"',
    "`touch pwned` & touch pwned",
    "a\ntouch pwned",
    "{x} {{y}} {wildcards.tag}",
    "-rf *",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.copy_to(tmp_path_factory.mktemp("hostile") / "project")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_any_name_is_read_or_refused_and_never_run(project: Project, tmp_path: Path, name: str) -> None:
    import cv2

    folder = tmp_path / name
    folder.mkdir()
    for number, pixels in enumerate(images(2, 64), start=1):
        cv2.imwrite(str(tmp_path / "x.png"), pixels)
        (tmp_path / "x.png").rename(folder / f"{number}.png")
    listed = [{"id": i, "file_name": f"{i}.png", "width": 64, "height": 64} for i in (1, 2)]
    document = {"images": listed, "annotations": [], "categories": [{"id": 1, "name": "person"}]}
    (folder / "instances.json").write_text(json.dumps(document))
    config = {"dataset": "local", "local": {"images": str(folder), "annotations": str(folder / "instances.json")}}

    done = project.run("results/local/images.json", "--force", config=config)

    output = done.stdout + done.stderr
    if done.returncode == 0:
        assert [image["id"] for image in project.json("results/local/images.json")["images"]] == [1, 2]
    else:
        assert "Traceback" not in output
    assert [path for top in (project.folder, tmp_path) for path in top.rglob("pwned*")] == []
