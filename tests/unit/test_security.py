"""Nothing gets in: what a configuration, a registry, a model file or a results file cannot make the project do."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import ROOT
from ssdbench.catalog.registry import ModelRow, RemoteFile, Source
from ssdbench.catalog.registry_file import load_registry
from ssdbench.conversion.load_graph import load_graph
from ssdbench.errors import UserError
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.model_source import fetch_source
from ssdbench.inference.trace import read_trace
from ssdbench.plan.config import load_config

SCHEMAS = ROOT / "workflow/schemas"
CODE = sorted((ROOT / "workflow").rglob("*.py"))
RULES = [ROOT / "Snakefile", ROOT / "workflow/Snakefile", *sorted((ROOT / "workflow/rules").glob("*.smk"))]


def test_no_rule_has_shell_text_or_inline_code() -> None:
    assert (
        RULES
        and [file for file in RULES if re.search(r"^\s*(shell|run|cwl|notebook)\s*:", file.read_text(), re.M)] == []
    )


def test_no_code_starts_a_shell_or_runs_text_or_pickles() -> None:
    """Every call by its name, and every `shell=` and `allow_pickle=` by its value."""
    calls, words, imports = set(), set(), set()
    for node in (node for file in CODE for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Call):
            calls.add(ast.unparse(node.func))
            words |= {(word.arg, ast.unparse(word.value)) for word in node.keywords}
            if ast.unparse(node.func) == "np.load":
                assert any(word.arg == "allow_pickle" for word in node.keywords), ast.unparse(node)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports |= {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
    assert len(calls) > 500
    assert not calls & {
        "eval",
        "exec",
        "os.system",
        "os.popen",
        "yaml.load",
        "__import__",
        "tf.keras.models.load_model",
    }
    assert not imports & {"pickle", "dill", "joblib", "shelve", "marshal", "keras"}
    assert [value for word, value in words if word == "shell"] == []
    assert {value for word, value in words if word == "allow_pickle"} == {"False"}


NAMES = [
    "x; touch pwned",
    "x' y",
    'x"y',
    "$(touch pwned)",
    "`id`",
    "x\n",
    "x\ny",
    "../x",
    "/x",
    "-x",
    ".x",
    "x/../y",
    "é",
    "{x}",
    "",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_has_a_plain_name(name: str, tmp_path: Path) -> None:
    row = {"dataset": "sample", "model": name, "protocol": "heads", "framework": "tflite", "precision": "fp32"}
    for config in ({"models": [name]}, {"published": [row]}):
        with pytest.raises(UserError, match="does not match"):
            load_config(config, SCHEMAS / "config.schema.yaml", {})
    with pytest.raises(UserError, match="does not match"):
        registry(tmp_path, {"models": {name: {}}})


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_tag_and_a_downloads_name_are_plain(name: str, tmp_path: Path) -> None:
    if name:
        with pytest.raises(UserError, match="is not understood"):
            load_config({"dataset": name}, SCHEMAS / "config.schema.yaml", {})
    with pytest.raises(UserError, match="does not match"):
        registry(tmp_path, model(source={"kind": "file", "file": {"name": name, "urls": ["http://127.0.0.1/a"]}}))


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "FILE:///etc/passwd", "ftp://x/a", "/etc/passwd", "http://x/a\n"]
)
def test_a_registry_has_web_addresses_only(url: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not match"):
        registry(tmp_path, model(source={"kind": "file", "file": {"name": "a", "urls": [url]}}))
    with pytest.raises(UserError, match="mirror"):
        load_config({"mirror": url}, SCHEMAS / "config.schema.yaml", {})


@pytest.mark.parametrize(
    "folder",
    [
        "/tmp/x",
        "..",
        "../x",
        "a/../../x",
        ".",
        "",
        "./",
        ".git/hooks",
        ".venv",
        "workflow",
        "docs/x",
        "x\n",
        "~/x",
        "$HOME",
    ],
)
def test_results_stay_in_a_folder_of_their_own(folder: str) -> None:
    with pytest.raises(UserError, match="results_dir"):
        load_config({"results_dir": folder}, SCHEMAS / "config.schema.yaml", {})


@pytest.mark.parametrize("kind", ["npm", "archive"])
@pytest.mark.parametrize("member", ["/etc/passwd", "../../secret", "a/../../b", "C:\\x", "a\nb"])
def test_a_member_of_an_archive_is_within_it(kind: str, member: str, tmp_path: Path) -> None:
    file = RemoteFile("a.zip", ("http://127.0.0.1:9/a.zip",))
    row = ModelRow("m", "m", Source(kind, "p", "1.0.0", None, file, "", member), "tfjs", "none", "nothing", 300)
    with pytest.raises(UserError, match="give a path within its archive"):
        fetch_source(
            row.name, row.format, row.source, tmp_path / "a", tmp_path / "b", Checksums(tmp_path / "c.yaml"), None
        )
    assert list(tmp_path.iterdir()) == []


class Bomb:
    """Unpickling it writes a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> Any:
        return (Path.write_text, (self._file, "pwned"))


def test_pickles_in_numpy_files_are_refused(tmp_path: Path) -> None:
    bomb = np.array([Bomb(tmp_path / "pwned")], dtype=object)
    np.savez(tmp_path / "seen.npz", images=bomb, pixels=bomb, ids=bomb, encodings=bomb, scores=bomb)
    with pytest.raises(UserError, match=r"seen\.npz"):
        read_trace(tmp_path / "seen.npz")
    assert not (tmp_path / "pwned").exists()
    pickle.loads(pickle.dumps(Bomb(tmp_path / "pwned")))
    assert (tmp_path / "pwned").exists()  # it would have gone off


def registry(folder: Path, content: dict[str, Any]) -> Any:
    import yaml

    (folder / "mine.yaml").write_text(yaml.safe_dump(content))
    return load_registry([folder / "mine.yaml"], SCHEMAS / "registry.schema.yaml")


def model(**changes: Any) -> dict[str, Any]:
    row = {"title": "t", "format": "tflite", "given": ["graph", "fp32"], "licence": "l", "trained_on": "t"}
    return {"models": {"x": {**row, "input_size": 300, **changes}}}


def graph_that(does: str, file: Path, in_a_function: bool) -> Any:
    """A detector's graph beside a node that reaches a file or Python."""
    import tensorflow as tf

    def effect() -> Any:
        if does == "writes":
            return tf.raw_ops.WriteFile(filename=str(file), contents="pwned")
        if does == "reads":
            return tf.raw_ops.ReadFile(filename="/etc/passwd")
        if does == "prints":
            return tf.raw_ops.PrintV2(input="pwned", output_stream=f"file://{file}")
        return tf.numpy_function(lambda: np.float32(0), [], tf.float32)

    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.uint8, [1, 32, 32, 3], "image_tensor")
        if in_a_function:
            function = tf.function(lambda: [effect(), tf.constant(0.0)][1], autograph=False)
            tf.identity(function(), "detection_scores")
        else:
            effect()
        return graph.as_graph_def()


@pytest.mark.parametrize("in_a_function", [False, True])
@pytest.mark.parametrize("does", ["writes", "reads", "prints", "calls Python"])
def test_a_graph_that_does_more_than_compute_is_refused(does: str, in_a_function: bool, tmp_path: Path) -> None:
    from ssdbench.catalog.normalisation import MOBILENET_SSD
    from ssdbench.runtimes import open_session

    source = tmp_path / "model.pb"
    source.write_bytes(graph_that(does, tmp_path / "pwned", in_a_function).SerializeToString())
    row = ModelRow("m", "m", Source("local"), "frozen_graph", "none", "nothing", 32)
    with pytest.raises(UserError, match=r"model\.pb is refused: .* does more than compute"):
        load_graph(row, source)
    with pytest.raises(UserError, match=r"model\.pb is refused"):
        open_session("tensorflow", source, 1, MOBILENET_SSD)
    assert not (tmp_path / "pwned").exists()
