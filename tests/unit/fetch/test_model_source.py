"""A model's source: two models whose files have one name do not meet."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ssdbench.catalog.registry import ModelRow, RemoteFile, Source
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.model_source import fetch_source
from support.server import FileServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    (tmp_path / "www").mkdir()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FileServer(tmp_path / "www") as server:
        yield server


def publish(server: FileServer, model: str, kind: str) -> ModelRow:
    """A model of its own content under the same name as every other one of its kind."""
    folder = server.folder / model
    folder.mkdir()
    (folder / "model.tflite").write_text(model)
    name = "model.tflite"
    if kind == "archive":
        name = "model.tar.gz"
        with tarfile.open(folder / name, "w:gz") as archive:
            archive.add(folder / "model.tflite", "model.tflite")
    file = RemoteFile(name, (f"{server.url}/{model}/{name}",))
    source = Source(kind, file=file, member="model.tflite" if kind == "archive" else "")
    return ModelRow(model, model, source, "tflite", "none", "nothing", 300, given=("graph", "int8"))


@pytest.mark.parametrize("kind", ["file", "archive"])
def test_models_whose_files_have_one_name_are_kept_apart(kind: str, server: FileServer, tmp_path: Path) -> None:
    checksums = Checksums(tmp_path / "checksums.yaml")
    rows = [publish(server, model, kind) for model in ("one", "two")]
    for row in (*rows, *rows):  # the second time from what lies there
        folder = tmp_path / "models" / row.name / "source"
        source = fetch_source(row.name, row.format, row.source, folder, tmp_path / "downloads", checksums, None)
        assert (folder / source["file"]).read_text() == row.name
        assert source["origin"] == "first use"
    assert len(server.log) == 2
