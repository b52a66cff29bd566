"""What the pages under docs/ state, held to the project: keys, flags, sizes, tables, examples, rooms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_rooms import FLOORS

from conftest import ROOT
from run import parse_arguments
from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.registry import Registry
from ssdbench.catalog.registry_file import load_registry
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.model_source import fetch_source
from ssdbench.files.reading import read_yaml
from ssdbench.files.schema import validate
from ssdbench.plan import paths
from ssdbench.report.summary.build_summary import COLUMNS
from ssdbench.report.summary.sweep_rows import SWEEP_COLUMNS
from support.documents import PAGES, blocks, flat, page, rows, section, words, yaml_block

SCHEMAS = ROOT / "workflow" / "schemas"
CONFIG_SCHEMA = SCHEMAS / "config.schema.yaml"
REGISTRY_SCHEMA = SCHEMAS / "registry.schema.yaml"
# What the registry file of the example holds beside its rows is told from a configuration by the form of `models`.
EXAMPLES = [yaml.safe_load(text) for file in PAGES for text in blocks(file.read_text(encoding="utf-8"), "yaml")]
REGISTRIES = [example for example in EXAMPLES if isinstance(example.get("models"), dict)]
CONFIGS = [example for example in EXAMPLES if example not in REGISTRIES]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry([ROOT / "workflow/resources/registry.yaml"], REGISTRY_SCHEMA)


def test_the_configuration_page_has_every_key_of_config_yaml_with_its_default() -> None:
    stated = {words(row[0])[0]: yaml.safe_load(words(row[2])[0]) for row in rows(page("docs/configuration.md"), "key")}
    assert stated == flat(read_yaml(ROOT / "config.yaml"))


def test_the_configuration_page_has_every_framework_and_precision() -> None:
    definitions = read_yaml(CONFIG_SCHEMA)["$defs"]
    for word in ("framework", "precision"):
        named = [name for row in rows(page("docs/configuration.md"), word) for name in words(row[0])]
        assert set(named) == set(definitions[word]["enum"])


def test_the_frameworks_of_the_schema_are_those_of_the_catalog() -> None:
    assert read_yaml(CONFIG_SCHEMA)["$defs"]["framework"]["enum"] == list(frameworks())


def test_the_flags_of_run_py_are_those_of_its_parser(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--help"], {})
    options = capsys.readouterr().out.split("options:", 1)[1]
    flags = set(re.findall(r"(?<!\S)(--?[a-z_]+)\b", options))
    text = page("docs/by-hand.md")
    stated = {flag for row in rows(text, "flag") for flag in words(row[0])}
    assert flags - stated == {"-h", "--help"}
    assert stated <= flags
    assert {"-h", "--help"} <= set(words(text))


def test_what_a_new_framework_touches_is_where_the_page_says() -> None:
    checked = 0
    for row in rows(page("docs/add-a-framework.md"), "file"):
        names = re.findall(r"`(_[A-Z]+)`", row[1])
        for file, name in zip(words(row[0]), names, strict=False):
            assert re.search(rf"^{name}\b", (ROOT / file).read_text(), flags=re.M), name
            checked += 1
    assert checked == 2


def test_the_protocols_are_those_of_the_configuration() -> None:
    stated = rows(page("docs/concepts.md"), "protocol")
    schema = read_yaml(CONFIG_SCHEMA)
    assert [words(row[0])[0] for row in stated] == schema["properties"]["protocols"]["items"]["enum"]
    for name, kind, pixels, named, _ in stated:
        row = protocol(words(name)[0])
        assert kind == row.graph_kind
        assert row.channel_order.upper() in pixels
        size = f"{row.input_size}x{row.input_size}" if row.input_size else "the model's input size"
        assert size in pixels
        assert named == (" ".join(row.frameworks) or "all")


def test_the_download_sizes_are_those_of_the_registry(registry: Registry) -> None:
    text = page("docs/coco.md")
    for dataset in registry.datasets.values():
        if dataset.annotations and dataset.images:
            for file in (dataset.annotations.file, dataset.images.file):
                assert re.search(rf"`{re.escape(file.name)}`.*\| {file.size / 1e6:,.1f} MB", text), file.name
            assert str(dataset.images.count) in text
    for preset in ("coco_val2017", "coco_val2014_published"):
        config = read_yaml(ROOT / f"presets/{preset}.yaml")
        models = config.get("models") or [row["model"] for row in config["published"]]
        for file in {registry.model(name).source.file for name in models}:
            assert f"{file.size / 1e6:,.1f} MB" in text, file.name


def test_every_preset_is_explained() -> None:
    assert {f"({file})" for file in (f"../presets/{path.name}" for path in (ROOT / "presets").glob("*.yaml"))} <= set(
        re.findall(r"\(\.\./presets/[^)]+\)", page("docs/coco.md"))
    )


def test_the_models_are_those_of_the_registry(registry: Registry) -> None:
    models = rows(page("docs/coco.md"), "model of the registry")
    stated = {name: row for row in models for name in words(row[0]) if name[0] != "."}
    assert set(stated) == set(registry.models)
    for name, (_, size, ap, seen) in stated.items():
        model = registry.model(name)
        assert int(size) == model.input_size
        assert {expected.AP for expected in model.expected if expected.dataset == "coco_val2017"} == {float(ap)}
        assert (seen == "no") == ("has not seen val2017" in model.trained_on)


def test_every_key_of_a_model_row_is_explained() -> None:
    model = read_yaml(REGISTRY_SCHEMA)["$defs"]["model"]["properties"]
    explained = set(words(page("docs/add-a-model.md")))
    asked = {*model, *model["heads"]["properties"], *model["graph_nms"]["properties"]}
    assert asked <= explained
    assert {"kind: local", "path", "package", "version", "sha256", "member"} <= explained


def test_the_examples_fit_the_schemas() -> None:
    assert REGISTRIES and CONFIGS
    for example in REGISTRIES:
        validate(example, REGISTRY_SCHEMA, "an example")
    for example in CONFIGS:
        validate(example, CONFIG_SCHEMA, "an example")


def test_the_example_of_a_local_model_is_found_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Path("mine")
    mine.mkdir()
    models: dict[str, dict[str, Any]] = {name: row for example in REGISTRIES for name, row in example["models"].items()}
    assert set(yaml_block("docs/add-a-model.md", "# mine/run.yaml")["models"]) <= set(models)
    (mine / "models.yaml").write_text(yaml.safe_dump({"models": models}))
    for row in models.values():
        for file in (row["source"]["path"], row.get("anchors", "anchors.npy")):
            (mine / file).write_bytes(b"a file")
    found = load_registry([mine / "models.yaml"], REGISTRY_SCHEMA)
    for name in models:
        folder = Path("resources/models", name, "source")
        row = found.model(name)
        source = fetch_source(
            row.name, row.format, row.source, folder, Path("downloads"), Checksums(Path("checksums.yaml")), None
        )
        assert (folder / source["file"]).is_file(), source["file"]


def test_every_column_of_the_tables_is_explained() -> None:
    text = section(page("docs/files.md"), "Columns of summary.csv")
    stated = {word for row in rows(text, "column") for word in words(row[0])}
    assert stated == set(COLUMNS)
    assert set(SWEEP_COLUMNS) <= stated | set(words(text))


def test_the_folders_of_resources_are_those_of_the_paths() -> None:
    stated = {word for row in rows(page("docs/files.md"), "path") for word in words(row[0])}
    names = {"dataset": "<name>", "model": "<model>", "tag": "<tag>", "kind": "<graph kind>"}
    names |= {"framework": "<framework>", "precision": "<precision>", "calibration": "<id>"}
    patterns = [paths.CHECKSUMS, paths.DOWNLOADS, paths.SOURCE, paths.ARTIFACT, paths.ANNOTATIONS, paths.TAG_IMAGES]
    for path in (pattern.format(**names) for pattern in patterns):
        assert any(path.startswith(word.rstrip("/")) for word in stated if word.startswith("resources/")), path


def test_every_profile_is_explained() -> None:
    text = page("docs/cluster.md")
    for file in (ROOT / "profiles").glob("*/profile.yaml"):
        assert f"(../profiles/{file.parent.name}/profile.yaml)" in text


def test_the_drawing_shows_the_rooms_in_their_order_from_top_to_bottom() -> None:
    (drawing,) = blocks(section(page("docs/architecture.md"), "The rooms of the package"), "text")
    drawn = re.findall(r"^ \| (\w+) +\|", drawing, flags=re.M)
    assert drawn[::-1] == list(FLOORS)


def test_the_hooks_are_the_linters_of_make_lint() -> None:
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), flags=re.M)
    assert recipe
    linters = {line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()}
    (local,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    # Given the files of a commit, ruff takes them in place of the whole tree.
    hooks = {hook["entry"] + ("" if hook.get("pass_filenames") is False else " .") for hook in local["hooks"]}
    assert hooks == linters
