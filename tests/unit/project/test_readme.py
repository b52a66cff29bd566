"""What the README states, held to the project: targets, keys, flags, files, sizes, examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT
from run import parse_arguments
from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.protocols import protocol
from ssdbench.catalog.registry_file import load_registry
from ssdbench.fetch.checksums import Checksums
from ssdbench.fetch.model_source import fetch_source
from ssdbench.files.reading import read_yaml
from ssdbench.files.schema import validate

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ("README.md", "profiles/README.md")
SCHEMAS = ROOT / "workflow" / "schemas"
OWN_FOLDERS = ("workflow", "presets", "profiles", "envs", "tests")


def section(title: str) -> str:
    """The text below a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README, flags=re.M | re.S)
    assert found, f"the README has no section {title!r}"
    return found[1]


def table(title: str, first_column: str) -> list[list[str]]:
    """The rows of the section's table whose first column has this heading, as cells."""
    found = re.search(rf"^\| {first_column} \|.*\n\|[-:|]+\n((?:\|.*\n)+)", section(title), flags=re.M)
    assert found, f"{title!r} has no table of {first_column}"
    rows = found[1].splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def words(text: str) -> list[str]:
    """What stands in backticks, code blocks left out."""
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))


def flat(mapping: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    pairs: dict[str, Any] = {}
    for key, value in mapping.items():
        pairs |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return pairs


def examples() -> list[dict[str, Any]]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README, flags=re.S)]


def test_every_make_target_it_names_exists_and_every_documented_one_is_named() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^|&& )make +([a-z][a-z-]*)", README, flags=re.M))
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    assert set(re.findall(r"^([a-z-]+):.*##", makefile, flags=re.M)) <= named


def test_every_snakemake_target_it_names_exists() -> None:
    named = set(re.findall(r"^\.venv/bin/snakemake ([a-z]+) ", README, flags=re.M))
    rules = set(re.findall(r"^rule (\w+):", (ROOT / "workflow/Snakefile").read_text(), flags=re.M))
    assert {"fetch", "models", "detections"} <= named <= rules
    assert rules <= set(words(section("Targets and what they cost"))) | named


def test_the_config_table_has_every_key_of_config_yaml_with_its_default() -> None:
    stated = {words(row[0])[0]: yaml.safe_load(words(row[2])[0]) for row in table("Configuration", "key")}
    assert stated == flat(read_yaml(ROOT / "config.yaml"))


def test_the_flags_of_run_py_are_those_of_its_parser(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--help"], {})
    options = capsys.readouterr().out.split("options:", 1)[1]
    flags = set(re.findall(r"(?<!\S)(--?[a-z_]+)\b", options))
    rows = {flag for row in table("By hand", "flag") for flag in words(row[0])}
    assert flags - rows == {"-h", "--help"}
    assert rows <= flags
    assert {"-h", "--help"} <= set(words(section("By hand")))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_heading_it_links_to_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.+)$", text, flags=re.M)
    }
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    for link in links:
        assert link[1:] in headings if link.startswith("#") else ((ROOT / document).parent / link).exists(), link


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_of_the_project_it_names_exists(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    paths = [path for path in re.findall(r"[\w.-]+(?:/[\w.<>*-]+)+", text) if path.split("/")[0] in OWN_FOLDERS]
    assert paths
    for path in paths:
        assert "<" in path or "*" in path or list(ROOT.glob(path.rstrip("."))), path


def test_what_a_new_framework_touches_is_where_it_says() -> None:
    checked = 0
    for row in table("Add a framework", "file"):
        names = re.findall(r"`(_[A-Z]+)`", row[1])
        for file, name in zip(words(row[0]), names, strict=False):
            assert re.search(rf"^{name}\b", (ROOT / file).read_text(), flags=re.M), name
            checked += 1
    assert checked == 2
    assert read_yaml(SCHEMAS / "config.schema.yaml")["$defs"]["framework"]["enum"] == list(frameworks())


def test_the_protocols_are_those_of_the_configuration() -> None:
    rows = table("What is compared with what", "protocol")
    schema = read_yaml(SCHEMAS / "config.schema.yaml")
    assert [words(row[0])[0] for row in rows] == schema["properties"]["protocols"]["items"]["enum"]
    for name, kind, pixels, named, _ in rows:
        row = protocol(words(name)[0])
        assert kind == row.graph_kind
        assert row.channel_order.upper() in pixels
        size = f"{row.input_size}x{row.input_size}" if row.input_size else "the model's input size"
        assert size in pixels
        assert named == (" ".join(row.frameworks) or "all")


def test_the_download_sizes_are_those_of_the_registry() -> None:
    registry = load_registry([ROOT / "workflow/resources/registry.yaml"], SCHEMAS / "registry.schema.yaml")
    text = section("COCO")
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


def test_the_models_are_those_of_the_registry() -> None:
    registry = load_registry([ROOT / "workflow/resources/registry.yaml"], SCHEMAS / "registry.schema.yaml")
    stated = {name: row for row in table("COCO", "model of the registry") for name in words(row[0]) if name[0] != "."}
    assert set(stated) == set(registry.models)
    for name, (_, size, ap, seen) in stated.items():
        model = registry.model(name)
        assert int(size) == model.input_size
        assert {expected.AP for expected in model.expected if expected.dataset == "coco_val2017"} == {float(ap)}
        assert (seen == "no") == ("has not seen val2017" in model.trained_on)


def test_every_key_of_a_model_row_is_explained() -> None:
    model = read_yaml(SCHEMAS / "registry.schema.yaml")["$defs"]["model"]["properties"]
    explained = set(words(section("Add a model")))
    asked = {*model, *model["heads"]["properties"], *model["graph_nms"]["properties"]}
    assert asked <= explained
    assert {"kind: local", "path", "package", "version", "sha256", "member"} <= explained


def test_the_examples_fit_the_schemas() -> None:
    registries = [example for example in examples() if "models" in example and isinstance(example["models"], dict)]
    configs = [example for example in examples() if example not in registries]
    assert registries and configs
    for example in registries:
        validate(example, SCHEMAS / "registry.schema.yaml", "README")
    for example in configs:
        validate(example, SCHEMAS / "config.schema.yaml", "README")
        assert set(example["models"]) <= {name for registry in registries for name in registry["models"]}


def test_the_example_of_a_local_model_is_found_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Path("mine")
    mine.mkdir()
    rows = {
        name: row
        for example in examples()
        if isinstance(example["models"], dict)
        for name, row in example["models"].items()
    }
    (mine / "models.yaml").write_text(yaml.safe_dump({"models": rows}))
    for row in rows.values():
        for file in (row["source"]["path"], row.get("anchors", "anchors.npy")):
            (mine / file).write_bytes(b"a file")
    registry = load_registry([mine / "models.yaml"], SCHEMAS / "registry.schema.yaml")
    for name in rows:
        folder = Path("resources/models", name, "source")
        row = registry.model(name)
        source = fetch_source(
            row.name, row.format, row.source, folder, Path("downloads"), Checksums(Path("checksums.yaml")), None
        )
        assert (folder / source["file"]).is_file(), source["file"]


def test_the_slurm_profile_repeats_what_it_stands_in_for() -> None:
    default, slurm = (flat(read_yaml(ROOT / f"profiles/{name}/profile.yaml")) for name in ("default", "slurm"))
    assert {key: slurm.get(key) for key in default} == default
    table_of_profiles = (ROOT / "profiles" / "README.md").read_text(encoding="utf-8")
    for file in (ROOT / "profiles").glob("*/profile.yaml"):
        assert f"({file.parent.name}/profile.yaml)" in table_of_profiles
