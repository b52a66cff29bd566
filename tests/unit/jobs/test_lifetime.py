"""What ends with a killed run, and whose its lock is."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from conftest import ROOT

_JOB = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from ssdbench.jobs import steps

def work():
    print(os.getpid(), file=sys.stderr, flush=True)
    time.sleep(600)

steps.in_child(work, steps.Limits(None, 600), "The work")
"""

# A parent that starts a job, says its number and waits for it, as Snakemake does.
_RUN = """
import subprocess, sys
job = subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]], stderr=sys.stderr)
print(job.pid, flush=True)
job.wait()
"""

_STEP = """
import sys, time
sys.path.insert(0, sys.argv[1])
from ssdbench.jobs import steps
steps.start_log("/dev/null")
print("ready", file=sys.stderr, flush=True)
time.sleep(600)
"""

SCRIPTS = str(ROOT / "workflow/scripts")


def ends(process: int) -> bool:
    """Whether the process is gone, or dead and only not yet asked after, within ten seconds."""
    for _ in range(100):
        try:
            if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on a parent's death is Linux's")
def test_a_jobs_child_ends_with_the_job() -> None:
    job = subprocess.Popen([sys.executable, "-c", _JOB, SCRIPTS], stderr=subprocess.PIPE, text=True)
    assert job.stderr is not None
    child = int(job.stderr.readline())
    job.kill()
    job.wait()
    assert ends(child)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal on a parent's death is Linux's")
def test_a_job_ends_with_its_run() -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN, SCRIPTS, _STEP], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None and run.stderr is not None
    job = int(run.stdout.readline())
    assert run.stderr.readline() == "ready\n"
    run.kill()
    run.wait()
    assert ends(job)
