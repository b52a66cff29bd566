"""The exception whose message is for the user, and how a script shows it."""

from __future__ import annotations

import sys
from collections.abc import Callable

STOPPED = 130  # the exit code after Ctrl-C, as a shell says it: 128 + SIGINT


class UserError(Exception):
    """Something is wrong that the user can act on.

    The message consists of whole sentences: they name the file or the key, say what is wrong with it, and what to do.
    It is shown without a traceback.
    """


class Unsupported(UserError):
    """This machine cannot do it, and nothing went wrong: the step's status is `unsupported`, not `failed`."""


def unexpected(error: Exception) -> str:
    """The reason that a record states for an unexpected error: its type and its first 500 characters, on one line."""
    return f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:500]}"


def exit_code(work: Callable[[], None]) -> int:
    """Do the work of a script that was started by hand.

    Returns:
        0; 1 after printing the message of a UserError; STOPPED after Ctrl-C.
    """
    try:
        work()
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED
    return 0
