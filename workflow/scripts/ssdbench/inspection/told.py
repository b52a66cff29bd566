"""What a look at a file found, as the entries of a card: the one form from which detections are decoded."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ssdbench.inspection.classes import standard_class_ids
from ssdbench.inspection.look import Look, Stated
from ssdbench.runtimes.base import Session


def told(session: Session, look: Look, stated: Stated, input_size: tuple[int, int]) -> dict[str, Any]:
    """The entries: what goes in, what comes out, and what each was told by.

    Args:
        input_size: height and width to feed where the file takes any.

    Raises:
        UserError: the stated class ids do not fit the classes.
    """
    is_heads = session.graph_kind == "heads"
    return {
        "graph_kind": session.graph_kind,
        "input_size": list(session.input_size or input_size),
        "normalisation": asdict(session.form.normalisation),
        "anchors": None if look.anchors is None else look.anchors.tolist(),
        "box_coder": list(look.box_coder),
        "form": asdict(look.form) if is_heads else None,
        "found": look.how(),
        "class_ids": standard_class_ids(stated.class_ids, look, session),
        "labels": list(stated.labels) or None,
        "class_numbers": look.classes + 1 if is_heads else None,
    }
