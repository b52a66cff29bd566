"""Delete the records of failed steps, so that the next run makes them again. `make retry` starts this."""

import sys
from collections.abc import Sequence
from pathlib import Path

from ssdbench.commandline import config_parser, plan_of
from ssdbench.errors import UserError
from ssdbench.files import read_json


def is_failed(path: Path) -> bool:
    """Whether a record's status is `failed`, or cannot be read."""
    try:
        content = read_json(path)
        return not isinstance(content, list) and content.get("status", "ok") == "failed"
    except (UserError, AttributeError):
        return True


def main(arguments: Sequence[str]) -> int:
    """Delete the failed records of the configured cells and say which."""
    options = config_parser(__doc__ or "").parse_known_args(arguments)[0]
    try:
        products = [Path(product) for product in plan_of(options.configfile, options.config).products]
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    failed = [path for path in products if path.is_file() and is_failed(path)]
    for path in failed:
        path.unlink()
        print(f"to be made again: {path}")
    if not failed:
        print("No failed step.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
