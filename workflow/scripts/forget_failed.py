"""Delete the records of failed steps, so that the next run makes them again. `make retry` starts this."""

import sys
from pathlib import Path

from ssdbench.errors import UserError
from ssdbench.files import read_json

RECORDS = ("card.json", "detect.json", "metrics.json", "timing.json", "run.json", "round*.json")


def failed_records(folders: list[Path]) -> list[Path]:
    """The records below `folders` whose status is `failed`, or that cannot be read."""

    def is_failed(path: Path) -> bool:
        try:
            return bool(read_json(path)["status"] == "failed")
        except (UserError, KeyError, TypeError):
            return True

    return [
        path for folder in folders for pattern in RECORDS for path in sorted(folder.rglob(pattern)) if is_failed(path)
    ]


def main(arguments: list[str]) -> int:
    """Delete them and say which."""
    folders = [Path(argument) for argument in arguments] or [Path("results"), Path("resources/models")]
    failed = failed_records([folder for folder in folders if folder.is_dir()])
    for path in failed:
        path.unlink()
        print(f"to be made again: {path}")
    if not failed:
        print("No failed step.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
