"""The lock of a run: that of a killed one is cleared, that of a living one kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT
from ssdbench.jobs.run_lock import clear_stale_lock

SCRIPTS = str(ROOT / "workflow/scripts")
_HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from ssdbench.jobs.run_lock import clear_stale_lock
held = clear_stale_lock(Path(sys.argv[2]))
print("held" if held is not None else "taken", flush=True)
time.sleep(600)
"""


def test_the_lock_of_a_killed_run_is_cleared_and_that_of_a_living_one_kept(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", _HOLDER, SCRIPTS, str(tmp_path)], stdout=-1, text=True)

    def said(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    first = start()
    assert said(first) == "held"
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.input.lock").touch()
    second = start()
    assert said(second) == "taken"
    assert (tmp_path / "locks/0.input.lock").exists()
    for process in (first, second):
        process.kill()
        process.wait()
    assert clear_stale_lock(tmp_path) is not None
    assert not (tmp_path / "locks").exists()


def test_the_lock_of_a_run_on_another_host_is_left_to_its_owner(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("another-host.invalid")
    (tmp_path / "locks").mkdir()
    held = clear_stale_lock(tmp_path)
    assert held is not None
    os.close(held)
    assert (tmp_path / "locks").exists()
    (tmp_path / "locks").rmdir()  # as --unlock does
    held = clear_stale_lock(tmp_path)
    assert held is not None
    os.close(held)
    (tmp_path / "locks").mkdir()
    held = clear_stale_lock(tmp_path)
    assert held is not None
    os.close(held)
    assert not (tmp_path / "locks").exists()
