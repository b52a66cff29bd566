"""The version that results state is the one of pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conftest import ROOT
from ssdbench.machine.project_version import UNKNOWN, project_version


def test_it_is_the_version_that_the_changelog_and_the_citation_name() -> None:
    version = project_version()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d[^\]]*)\]", changelog, flags=re.M)[0] == version
    assert f'\nversion: "{version}"\n' in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [None, "", "[project]\nname = 'x'\n", "[project\n"])
def test_a_copy_without_it_says_so_and_does_not_fail(tmp_path: Path, text: str | None) -> None:
    pyproject = tmp_path / "pyproject.toml"
    if text is not None:
        pyproject.write_text(text)
    assert project_version(pyproject) == UNKNOWN
