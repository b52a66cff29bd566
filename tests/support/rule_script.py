"""A script of a rule, run in a process of its own as Snakemake would run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow/scripts"

_RUN = """
import json, resource, runpy, sys
from types import SimpleNamespace

class Named(dict):
    __getattr__ = dict.__getitem__

job = json.load(sys.stdin)
names = ("input", "output", "params", "wildcards")
given = {name: Named(job[name]) for name in names}
snakemake = SimpleNamespace(log=job["log"], threads=1, resources={"runtime": job["minutes"]}, **given)
runpy.run_path(sys.argv[1], init_globals={"snakemake": snakemake})
# Its own ru_maxrss counts what the parent held when it forked; that of its children, which do the work, does not.
own = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(max(int(own), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss), file=sys.__stdout__)
"""


def run_rule_script(
    name: str,
    log: Path,
    inputs: dict[str, Any],
    output: dict[str, Any],
    params: dict[str, Any],
    wildcards: dict[str, str],
    minutes: float = 10,
) -> int:
    """Run workflow/scripts/<name> as a job with these fields, and return its peak memory in bytes.

    Inputs that are None are absent. Of several processes the largest counts.
    """
    job = {
        "log": [str(log)],
        "input": {
            key: [*map(str, value)] if isinstance(value, list) else str(value)
            for key, value in inputs.items()
            if value is not None
        },
        "output": {key: str(value) for key, value in output.items()},
        "params": params,
        "wildcards": wildcards,
        "minutes": minutes,
    }
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(SCRIPTS / name)],
        input=json.dumps(job),
        text=True,
        check=True,
        timeout=60 * minutes,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(SCRIPTS), "PATH": ""},
    )
    return int(done.stdout.split()[-1]) * 1024
