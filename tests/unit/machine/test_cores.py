"""Which cores a measurement takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ssdbench.machine.cores import choose_cores


def machine(root: Path, siblings: dict[int, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose cores have these halves, all of which this process may use."""
    for core, text in siblings.items():
        folder = root / f"sys/devices/system/cpu/cpu{core}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(siblings))
    return root


@pytest.mark.parametrize(
    ("siblings", "count", "expected"),
    [
        ({0: "0", 1: "1"}, 1, (1,)),
        ({0: "0", 1: "1"}, 2, (0, 1)),
        ({0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, 2, (1, 3)),  # no two halves of one core
        ({0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}, 2, (2, 3)),
        ({0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, 3, (1, 2, 3)),
        ({4: "3-4", 5: "5-6"}, 2, (4, 5)),  # the other halves are not this process's
        ({0: "0", 1: "1"}, 3, ()),
        ({0: "", 1: "broken"}, 1, (1,)),
    ],
)
def test_whole_cores_from_the_last_on_are_taken_first(
    siblings: dict[int, str],
    count: int,
    expected: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert choose_cores(count, machine(tmp_path, siblings, monkeypatch)) == expected


def test_cores_that_are_taken_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = machine(tmp_path, {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, monkeypatch)
    assert choose_cores(1, root, leave=(3,)) == (1,)
    assert choose_cores(1, root, leave=(0, 1, 2, 3)) == ()
