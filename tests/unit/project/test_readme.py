"""The README and all pages: short enough, every link leads somewhere, every command exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import ROOT
from ssdbench.files.reading import read_yaml
from support.documents import DOCS, PAGES, anchors, flat, page, section, words

README = page("README.md")
OWN_FOLDERS = ("workflow", "presets", "profiles", "envs", "tests", "docs", "bench")
RULES = [ROOT / "Snakefile", *(ROOT / "workflow").rglob("Snakefile"), *(ROOT / "workflow/rules").glob("*.smk")]

every_page = pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))


def rule_names() -> set[str]:
    texts = "\n".join(file.read_text(encoding="utf-8") for file in RULES)
    return set(re.findall(r"^rule (\w+):", texts, flags=re.M)) | set(re.findall(r" as (\w+) with:", texts))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))


def test_the_readme_is_an_entrance_and_leads_to_every_page() -> None:
    assert len(README.splitlines()) <= 150
    assert {f"docs/{file.name}" for file in DOCS} <= set(re.findall(r"\]\(([^)#\s]+)", README))


@every_page
def test_every_file_and_heading_that_a_page_links_to_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = file.parent / path if path else file
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


@every_page
def test_every_file_of_the_project_that_a_page_names_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for path in re.findall(r"(?<![\w./-])[\w.-]+(?:/[\w.<>*-]+)+", text):
        if path.split("/")[0] in OWN_FOLDERS and "<" not in path:
            assert list(ROOT.glob(path.rstrip("."))), path


@every_page
def test_every_make_target_that_a_page_names_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^|&& )make +([a-z][a-z-]*)", text, flags=re.M)) <= make_targets()


def test_every_documented_make_target_stands_in_the_readme() -> None:
    documented = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.M)
    named = {word.split()[1] for word in words(section(README, "Commands")) if word.startswith("make ")}
    assert set(documented) <= named


@every_page
def test_every_target_rule_and_key_in_a_command_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    rules, keys = rule_names(), {key.split(".")[0] for key in flat(read_yaml(ROOT / "config.yaml"))}
    assert set(re.findall(r"snakemake ([a-z_]+) --cores", text)) <= rules
    assert set(re.findall(r"--set-(?:resources|threads) (\w+)", text)) <= rules
    assert set(re.findall(r" -R (\w+)", text)) <= rules
    assert set(re.findall(r"--config (\w+)=", text)) <= keys


def test_the_targets_that_a_user_asks_for_are_explained() -> None:
    asked = set(re.findall(r"^\.venv/bin/snakemake ([a-z]+) ", page("docs/files.md"), flags=re.M))
    assert {"all", "fetch", "models", "detections", "report"} <= asked
