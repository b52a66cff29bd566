"""Stated class ids, by the class number that a session gives, wherever the background stands."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ssdbench.boxes.output_form import OutputForm
from ssdbench.errors import UserError
from ssdbench.inspection.classes import standard_class_ids
from ssdbench.inspection.finding import Finding
from ssdbench.inspection.look import Look


@dataclass(frozen=True)
class File:
    """What is asked of a session."""

    graph_kind: str = "heads"
    counts_from_zero: bool = False


def ids(stated: tuple[int | None, ...], background: str, columns: int) -> list[int | None] | None:
    findings = {"background": Finding(background, "found by the values")}
    look = Look(findings, (), OutputForm(background=background), None, columns)  # type: ignore[arg-type]
    return standard_class_ids(stated, look, File())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("stated", "background", "columns", "wanted"),
    [
        ((7, 0, 9), "first", 4, [0, 7, 0, 9]),  # of the classes alone; 0 means none
        ((0, 7, 8, 9), "first", 4, [0, 7, 8, 9]),
        ((None, 7, 0, 9), "first", 4, [None, 7, 0, 9]),  # with null, 0 is a category
        ((7, 8, 9, None), "last", 4, [None, 7, 8, 9]),
        ((7, 8, 9, 0), "last", 4, [0, 7, 8, 9]),
        ((7, 8, 9), "last", 4, [0, 7, 8, 9]),
        ((7, 8, 9), "none", 3, [0, 7, 8, 9]),
        ((), "first", 4, None),
    ],
)
def test_the_background_is_number_0_and_the_classes_follow_in_their_order(
    stated: tuple[int | None, ...], background: str, columns: int, wanted: list[int | None] | None
) -> None:
    assert ids(stated, background, columns) == wanted


@pytest.mark.parametrize(
    ("stated", "background", "columns", "said"),
    [
        ((7, 8), "first", 4, "scores 4 classes .* has 2 ids"),
        ((7, 8, 9, 10, 11), "none", 4, "scores 4 classes .* has 5 ids"),
        ((6, 7, 8, 9), "first", 4, "gives the id 6 to column 0, which is the background .found by the values."),
        ((6, 7, 8, 9), "last", 4, "gives the id 9 to column 3, which is the background"),
    ],
)
def test_ids_that_do_not_fit_the_classes_are_refused(
    stated: tuple[int | None, ...], background: str, columns: int, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        ids(stated, background, columns)


def test_tflite_counts_from_0_and_its_session_adds_1() -> None:
    for from_zero, wanted in ((True, [0, 7, 8]), (False, [7, 8])):
        file = File("graph", counts_from_zero=from_zero)
        assert standard_class_ids((7, 8), Look({}), file) == wanted  # type: ignore[arg-type]
