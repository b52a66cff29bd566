"""Work in a child process: whatever becomes of it, the parent has a record or a sentence."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from conftest import ROOT
from ssdbench.errors import UserError
from ssdbench.jobs.limited_process import Limits, OverLimit, in_child, job_limits
from support.processes import half_a_message

FREE = Limits(memory_mb=None, seconds=60)
Record = dict[str, object]


def test_a_child_returns_its_record() -> None:
    assert in_child(lambda: {"pid": os.getpid()}, FREE, "The work")["pid"] != os.getpid()


def test_a_child_that_is_killed_hangs_or_errs_has_its_own_reason() -> None:
    def crash() -> Record:
        faulthandler.disable()  # its dump would only clutter the output of the tests
        os.kill(os.getpid(), signal.SIGSEGV)
        return {}

    def killed() -> Record:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    def hang() -> Record:
        time.sleep(600)
        return {}

    def killed_as_it_answers() -> Record:
        Connection._send_bytes = half_a_message  # type: ignore[attr-defined]
        return {}

    def mistake() -> Record:
        raise UserError("No such node.")

    with pytest.raises(UserError, match=r"The work ended without a result: killed by signal 11\.$") as crashed:
        in_child(crash, FREE, "The work")
    assert not isinstance(crashed.value, OverLimit)  # more memory would not help
    with pytest.raises(OverLimit, match=r"killed by signal 9\. .* no memory left"):
        in_child(killed, FREE, "The work")
    with pytest.raises(OverLimit, match=r"killed by signal 9\. .* no memory left"):
        in_child(killed_as_it_answers, FREE, "The work")
    with pytest.raises(OverLimit, match=r"The work took longer than its limit of 0.2 s .*RULE:runtime"):
        in_child(hang, Limits(None, 0.2), "The work")
    with pytest.raises(UserError, match=r"^No such node\.$"):
        in_child(mistake, FREE, "The work")


@pytest.mark.parametrize("in_a_grandchild", [False, True])
def test_a_child_over_its_memory_is_ended_and_virtual_memory_does_not_count(in_a_grandchild: bool) -> None:
    def reserve(size: int) -> int:
        """Map memory without touching it, as TensorFlow does."""
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        return int(libc.mmap(None, size, 3, 0x4022, -1, 0))  # MAP_NORESERVE | MAP_ANONYMOUS | MAP_PRIVATE

    def virtual() -> Record:
        address = reserve(20 << 30)
        time.sleep(0.5)
        return {"mapped": address not in (-1, 2**64 - 1)}

    def resident() -> Record:
        if in_a_grandchild:
            code = "import time; x = b'x' * (900 << 20); time.sleep(600)  # grandchild"
            subprocess.run([sys.executable, "-c", code], check=False)
        taken = b"x" * (900 << 20)
        time.sleep(600)
        return {"taken": len(taken)}

    limit = Limits(memory_mb=700, seconds=60)
    assert in_child(virtual, limit, "The work") == {"mapped": True}
    with pytest.raises(OverLimit, match=r"^The work took \d+ MB of memory, more than its limit of 700 MB.*RULE:mem_mb"):
        in_child(resident, limit, "The work")
    mine = [process.cmdline() for process in psutil.Process().children(recursive=True)]
    assert not [command for command in mine if "# grandchild" in " ".join(command)]


def test_memory_that_python_cannot_have_is_a_limit_too() -> None:
    def greedy() -> Record:
        return {"x": bytearray(1 << 60)}

    with pytest.raises(OverLimit, match="The work ran out of memory"):
        in_child(greedy, FREE, "The work")


def test_the_log_says_where_a_child_crashed_and_what_its_native_code_printed(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    script = f"""
import ctypes, os, sys
sys.path.insert(0, {str(ROOT / "workflow/scripts")!r})
from ssdbench.jobs import steps

def work():
    os.write(2, b"native: check failed\\n")
    ctypes.string_at(0)

steps.record({str(log)!r}, {str(tmp_path / "out.json")!r}, work, limits=steps.Limits(None, 60), what="The work")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    text = log.read_text()
    assert "native: check failed" in text
    assert "Segmentation fault" in text
    assert "in work" in text
    assert "killed by signal 11" in (tmp_path / "out.json").read_text()
    assert "native: check failed" in (tmp_path / "out.json").read_text()  # the end of the log


def test_a_child_has_less_than_its_job() -> None:
    limits = job_limits({"mem_mb": 3000, "runtime": 20, "attempts_left": 2})
    assert 1000 < (limits.memory_mb or 0) < 3000
    assert 600 < limits.seconds < 1200
    assert limits.attempts_left == 2
    assert job_limits({"mem_mb": 400, "runtime": 1}).memory_mb == 200
    assert job_limits({"runtime": 1}) == Limits(None, 54.0, 0)
