"""The cluster profiles: each key is explained, and what stands in two places agrees."""

from __future__ import annotations

import re

import pytest

from conftest import ROOT
from ssdbench.files.reading import read_yaml

CLUSTERS = ("slurm", "cluster-generic")


@pytest.mark.parametrize("name", ("default", *CLUSTERS))
def test_every_key_has_a_comment_before_it(name: str) -> None:
    lines = (ROOT / "profiles" / name / "profile.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z]", line):
            block = "\n".join(lines[:number]).rsplit("\n\n", 1)[-1]
            below = lines[number + 1] if number + 1 < len(lines) else ""
            assert "#" in block or below.lstrip().startswith("#"), line


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_profile_holds_what_the_default_does_and_counts_its_attempts(name: str) -> None:
    profile, default = (read_yaml(ROOT / "profiles" / one / "profile.yaml") for one in (name, "default"))
    assert {key: profile[key] for key in default} == default
    assert profile["default-resources"]["attempts_left"] == f"{profile['retries'] + 1} - attempt"
