"""kill -9 at ten random moments of a run: the next run finishes, nothing is lost and no file was ever half written."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.faults import VICTIMS, Chain, Run, Sound, Watcher, accuracy_results
from support.tiny_project import CONFIG, tiny_project

pytestmark = pytest.mark.full
SEED = 20261124


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    undisturbed = tiny_project(tmp_path / "undisturbed")
    run = Run(undisturbed, CONFIG)
    assert run.wait() == 0, run.output
    expected = accuracy_results(undisturbed)
    assert len(expected) == 4
    killed = tiny_project(tmp_path / "killed")
    chain = Chain(killed, CONFIG, expected, Sound(killed.folder))
    victims = [*VICTIMS, *VICTIMS, *VICTIMS, "snakemake"]
    rng.shuffle(victims)
    with Watcher(killed.folder) as watcher:
        kills = chain.go(victims, rng, pause=6)
    assert [kill for kill in kills if kill.outcome == "lost"] == []
    assert watcher.faults == []
    assert watcher.looks > 10
    assert len(kills) == 10
