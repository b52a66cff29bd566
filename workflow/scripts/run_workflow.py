"""Run the workflow as `make run` does; it takes the arguments of `snakemake`.

Before Snakemake starts, the lock that a killed run left is cleared. After a run that ended badly, a report is made over
what exists.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser

from ssdbench.errors import STOPPED, exit_code
from ssdbench.files.reading import read_json
from ssdbench.jobs.lifetime import end_with_parent
from ssdbench.jobs.run_lock import clear_stale_lock
from ssdbench.plan.command_line import plan_of
from ssdbench.plan.targets import pages, summaries
from ssdbench.report.summary.terminal_table import terminal_table

HERE = Path(__file__).resolve().parent
SNAKEMAKE = Path(".snakemake")


def main(arguments: Sequence[str]) -> int:
    """Snakemake's exit code."""
    lock = clear_stale_lock(SNAKEMAKE)  # held while Snakemake runs, so that no other run clears its lock
    if lock is None:
        print("Another run may be going on in this folder; its lock is left alone.", file=sys.stderr)
    options = get_argument_parser().parse_known_args(arguments)[0]
    display = [] if options.dryrun or options.logger else ["--logger", "ssdbench"]
    # Snakemake looks for the display among the modules that Python finds.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "snakemake", *arguments, *display]
    begun = time.time()
    with subprocess.Popen(command, env=environment, preexec_fn=end_with_parent) as run:
        try:
            code = run.wait()
        except KeyboardInterrupt:
            run.wait()  # Ctrl-C went to Snakemake, too, and it ends its jobs
            print("Stopped. The same command goes on from here.", file=sys.stderr)
            return STOPPED
    if code:
        subprocess.run([sys.executable, str(HERE / "report_absent.py"), *arguments], check=False)
    if options.dryrun:
        return code
    if code == 0 and not options.targets:
        files = [Path(file) for file in options.configfile or []]
        exit_code(lambda: show_earlier_results(files, options.config or [], begun))
    print(f"Full log: {max((SNAKEMAKE / 'log').glob('*.log'), default='none')}")
    return code


def show_earlier_results(configfiles: Sequence[Path], entries: Sequence[str], begun: float) -> None:
    """Print results that were there before this run, since it had nothing to do for them; it printed its own."""
    plan = plan_of(configfiles, entries)
    earlier = [file for file in map(Path, summaries(plan)) if file.stat().st_mtime < begun]
    for file in earlier:
        print(terminal_table(read_json(file)), end="\n\n")
    for page in pages(plan) if earlier else []:
        print(f"Report: {page}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
