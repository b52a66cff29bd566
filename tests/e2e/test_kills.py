"""kill -9 at ten random moments of a run: the next run finishes, nothing is lost and no file was ever half written.
And Ctrl-C: a run stops with a sentence."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

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


def test_ctrl_c_stops_the_run_with_a_sentence_and_without_a_traceback(tmp_path: Path) -> None:
    project = tiny_project(tmp_path / "stopped")
    (project.folder / "test_config.yaml").write_text(yaml.safe_dump(CONFIG))
    command = [sys.executable, "workflow/scripts/run_workflow.py", "--cores", "1", "--configfile", "test_config.yaml"]
    with (tmp_path / "said").open("w") as said:
        run = subprocess.Popen(command, cwd=project.folder, stdout=said, stderr=said, start_new_session=True)
        children = children_at_work(run)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does
        assert run.wait(120) == 130
    output = (tmp_path / "said").read_text()
    assert "Stopped. The same command goes on from here." in output
    assert "Traceback" not in output
    assert "failed:" not in output
    assert "stopped: " in output
    assert [one for one in children if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []


def children_at_work(run: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes of a run, once a job's child, which has a session of its own, is among them."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        found = psutil.Process(run.pid).children(recursive=True)
        if any(is_leader(one) for one in found):
            return found
        time.sleep(0.05)
    raise AssertionError("no job's child was seen")


def is_leader(process: psutil.Process) -> bool:
    try:
        return os.getsid(process.pid) == process.pid
    except ProcessLookupError:
        return False
