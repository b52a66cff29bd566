"""Run the workflow as `make run` does; it takes the arguments of `snakemake`.

Before Snakemake starts, the lock that a killed run left is cleared. After a run that ended badly, a report is made over
what exists.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser

from ssdbench.jobs.lifetime import end_with_parent
from ssdbench.jobs.run_lock import clear_stale_lock

HERE = Path(__file__).resolve().parent


def main(arguments: Sequence[str]) -> int:
    """Snakemake's exit code."""
    lock = clear_stale_lock(Path(".snakemake"))  # held while Snakemake runs, so that no other run clears its lock
    if lock is None:
        print("Another run may be going on in this folder; its lock is left alone.", file=sys.stderr)
    options = get_argument_parser().parse_known_args(arguments)[0]
    display = [] if options.dryrun or options.logger else ["--logger", "ssdbench"]
    # Snakemake looks for the display among the modules that Python finds.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "snakemake", *arguments, *display]
    with subprocess.Popen(command, env=environment, preexec_fn=end_with_parent) as run:
        code = run.wait()
    if code:
        report = HERE / "report_absent.py"
        subprocess.run([sys.executable, str(report), *arguments], check=False)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
