"""From the class ids that a row states to one for each class number of a session."""

from __future__ import annotations

from collections.abc import Sequence

from ssdbench.errors import UserError
from ssdbench.inspection.look import Look
from ssdbench.runtimes.base import Session


def standard_class_ids(stated: Sequence[int | None], look: Look, session: Session) -> list[int | None] | None:
    """The stated ids by the class number that a session gives; None where nothing is stated.

    The numbers of heads begin with the background, 0, wherever its column stands. TFLite's operator counts from 0, and
    its session adds 1.

    Args:
        stated: a category's id for each class in the file's order, None (or 0, in a table without None) for none; the
            background may be left out.

    Raises:
        UserError: the scores have another number of classes than ids are stated.
    """
    if not stated:
        return None
    nothing = None if None in stated else 0
    if session.graph_kind == "graph":
        return [nothing, *stated] if session.counts_from_zero else list(stated)
    if len(stated) == look.classes:
        return [nothing, *stated]
    if len(stated) != look.columns:
        raise UserError(
            f"The file scores {look.columns} classes (the background counts, where it has a column), and class_ids has "
            f"{len(stated)} ids: give one for each, null for the background."
        )
    place = {"first": 0, "last": look.columns - 1}[look.form.background]
    if stated[place]:
        raise UserError(
            f"class_ids gives the id {stated[place]} to column {place}, which is the background "
            f"({look.findings['background'].how}): give null there, or state `background: none`."
        )
    return [nothing, *stated[:place], *stated[place + 1 :]]
