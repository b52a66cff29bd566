"""The one exception whose message is written for the user."""

from __future__ import annotations


class UserError(Exception):
    """A mistake or a circumstance that the user can act on.

    The message is whole sentences: they name the file or the key, say what is wrong with it and what to
    do. Whoever shows it prints the message alone, without a traceback.
    """
