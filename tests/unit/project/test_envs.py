"""The environments name the same versions, and the lock file carries hashes and no addresses."""

from __future__ import annotations

import re

import pytest

from conftest import ROOT
from ssdbench.files.reading import read_yaml

ENVS = ROOT / "envs"


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ENVS / name).read_text(), flags=re.MULTILINE))


def wanted() -> set[str]:
    lines = (ENVS / "requirements.in").read_text().splitlines()
    return {re.match(r"[a-z0-9-]+", line)[0] for line in lines if line and not line.startswith("#")}


def test_the_conda_environment_has_the_versions_of_the_lock_file() -> None:
    *packages, pip = read_yaml(ENVS / "ssdbench.yaml")["dependencies"]
    assert "pip" in packages
    locked = pins("requirements.txt")
    assert dict(line.split("==") for line in pip["pip"]) == {name: locked[name] for name in wanted()}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_pin_has_hashes_and_the_file_names_no_address(name: str) -> None:
    text = (ENVS / name).read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 50
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert not re.search(r"^--(index|extra|find)", text, flags=re.MULTILINE)


def test_the_tests_run_with_what_a_run_has() -> None:
    development = pins("requirements-dev.txt")
    assert {name: development.get(name) for name in pins("requirements.txt")} == pins("requirements.txt")


def test_one_minimum_version_of_snakemake_is_below_the_pinned_one() -> None:
    minimum = re.search(r'min_version\("([\d.]+)"\)', (ROOT / "workflow/Snakefile").read_text())[1]
    assert tuple(map(int, minimum.split("."))) <= tuple(map(int, pins("requirements.txt")["snakemake"].split(".")))
