"""Delete the records of failed steps, so that the next run makes them again. `make retry` starts this."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ssdbench.catalog.timing_setting import Setting
from ssdbench.conversion.artifact import open_artifact
from ssdbench.errors import UserError, exit_code
from ssdbench.files.reading import read_json
from ssdbench.machine.host import available_cores
from ssdbench.plan.command_line import config_parser, plan_of
from ssdbench.plan.targets import records as records_of
from ssdbench.plan.targets import shard_records


def must_go(path: Path) -> bool:
    """Whether a record's status is `failed`, or it cannot be read, or it is a card whose model file is not there, or it
    is of a timing that was too large for the machine and is no longer."""
    try:
        record = read_json(path)
        if record["status"] == "ok" and path.name == "card.json":
            open_artifact(path)
        is_refused = record["status"] == "unsupported" and "setting" in record
        setting = Setting.of(record["setting"]) if is_refused else None
        return bool(record["status"] == "failed" or (setting and setting.cores <= available_cores()))
    except (UserError, KeyError, TypeError):
        return True


def forget(record: Path) -> None:
    """Delete a record; of an artifact, its whole folder, which is what Snakemake makes anew."""
    if record.name == "card.json":
        shutil.rmtree(record.parent)
    else:
        record.unlink()


def main(arguments: Sequence[str]) -> int:
    """Delete the failed records of the configured cells and say which."""
    parser = config_parser(__doc__ or "")
    parser.add_argument("-n", "--dry-run", action="store_true", help="say what would be deleted")
    parser.add_argument("--cores", help="not needed here; `make` hands it on")
    options = parser.parse_known_args(arguments)[0]

    def work() -> None:
        plan = plan_of(options.configfile, options.config)
        records = [Path(record) for record in (*records_of(plan), *shard_records(plan))]
        failed = [path for path in records if path.is_file() and must_go(path)]
        for path in failed:
            if not options.dry_run:
                forget(path)
            print(f"to be made again: {path}")
        if not failed:
            print("No failed step.")

    return exit_code(work)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
