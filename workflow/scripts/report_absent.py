"""After a run that ended badly: a report over what exists, and the list of failed cells."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from snakemake.cli import get_argument_parser

from ssdbench.errors import UserError
from ssdbench.plan.command_line import plan_of
from ssdbench.plan.targets import pages, products


def main(arguments: Sequence[str]) -> int:
    """Report what exists, unless all of it does or the run was asked for something else; always 1: the run failed."""
    options = get_argument_parser().parse_known_args(arguments)[0]
    if options.dryrun or options.targets:
        return 1
    entries = options.config or []
    try:
        plan = plan_of([Path(file) for file in options.configfile or []], entries)
    except UserError:
        return 1  # the run said so
    missing = [path for path in [*products(plan), *pages(plan)] if not Path(path).exists()]
    if missing:
        print(f"The run ended without {len(missing)} of its results. What follows is a report over what exists.")
        files = ["--configfile", *map(str, options.configfile)] if options.configfile else []
        # check_cells: it makes the report, and lists the cells that failed.
        command = ["check_cells", "--cores", "1", *files, "--config", *entries, "absent=failed"]
        subprocess.run([sys.executable, "-m", "snakemake", *command], check=False)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
