"""Memory that follows from the size of a model's file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ssdbench.plan import job_memory


def source(folder: Path, file: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "source.json").write_text(json.dumps({"file": file}))
    return folder


@pytest.mark.parametrize("where", ["inside", "a file elsewhere", "a folder elsewhere"])
def test_a_source_is_as_large_as_its_model_wherever_that_lies(where: str, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    if where == "inside":
        path = source(folder, "model/model.json") / "model" / "weights.bin"
    else:
        path = tmp_path / "mine" / "weights.bin"
        source(folder, str(path.parent if "folder" in where else path))
    path.parent.mkdir()
    path.write_bytes(bytes(3 << 20))
    assert job_memory.source_mb(folder) == pytest.approx(3, abs=0.01)


def test_what_is_not_there_yet_or_cannot_be_read_is_guessed(tmp_path: Path) -> None:
    damaged = source(tmp_path / "damaged", "x")
    (damaged / "source.json").write_text('{"fi')
    assert job_memory.source_mb(tmp_path / "no") == job_memory.source_mb(damaged) > 0
    assert job_memory.artifact_mb(tmp_path / "no") > 0


def test_a_larger_model_gets_more() -> None:
    for of in (job_memory.of_conversion, job_memory.of_quantisation, job_memory.of_batching):
        assert of(74) > of(20) > 0
    assert job_memory.of_pass(74, 2) > job_memory.of_pass(20, 2) > job_memory.of_pass(20, 1)
    memories = [
        job_memory.of_table(sizes, batch, 1) for sizes, batch in (([20], 1), ([20], 8), ([74], 8), ([74, 20], 8))
    ]
    assert memories == sorted(set(memories))
