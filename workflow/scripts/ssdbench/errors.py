"""The one exception whose message is written for the user, and how a script shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake or a circumstance that the user can act on.

    The message is whole sentences: they name the file or the key, say what is wrong with it and what to
    do. Whoever shows it prints the message alone, without a traceback.
    """


class Unsupported(UserError):
    """What this machine cannot do, and no fault of the run: the step's status is `unsupported`, not `failed`."""


def unexpected(error: Exception) -> str:
    """An error that nobody foresaw, as a record's reason: its kind and the first 500 characters, in one line."""
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:500]}"


def exit_code(work: Callable[[], None]) -> int:
    """Do the work of a script that is started by hand: 0, or 1 with the message of a UserError on the terminal."""
    try:
        work()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
