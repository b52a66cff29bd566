"""The benchmark's own arithmetic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from measuring.evaluation import write_case
from measuring.overhead import covered, read_spans
from measuring.table import Entry, Measurement, at_least, at_most, holds, page
from measuring.workers import Work, in_turn, once, turned


def test_a_row_says_whether_its_bar_is_reached_and_why_not() -> None:
    assert at_least("speed", 8.0, 8, "too slow").reached
    missed = at_most("time", 1.3, 1.25, "many jobs")
    assert (missed.reached, missed.why) == (False, "many jobs")

    rows = [missed, holds("metrics", True), at_least("just missed", 0.8983, 0.9)]
    text = page([Entry("2026-01-01", "2 cores", "bench", Measurement("Part", "How.", rows, {}))])

    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert cells[1:] == [
        ["time", "1.30", "at most 1.25", "**no**", "many jobs"],
        ["metrics", "equal", "equal", "yes", ""],
        ["just missed", "0.898", "at least 0.9", "**no**", ""],
    ]


@pytest.mark.parametrize(
    ("spans", "length"), [([], 0), ([(0, 2), (1, 3)], 3), ([(5, 6), (0, 1)], 2), ([(0, 9), (2, 3), (8, 10)], 10)]
)
def test_time_that_several_jobs_share_counts_once(spans: list[tuple[float, float]], length: float) -> None:
    assert covered(spans) == length


def test_the_work_of_a_job_is_read_from_the_end_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "sample" / "detect_objects-b1.log"
    log.parent.mkdir()
    log.write_text("2026-11-24 15:00:01,000 INFO start\n2026-11-24 15:00:03,500 INFO the work took 2.500 s\n")
    (tmp_path / "empty.log").touch()

    ((rule, ((begin, end),)),) = read_spans(tmp_path).items()

    assert rule == "detect_objects"
    assert end - begin == 2.5


def test_a_case_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    case, again = write_case(tmp_path, 5), write_case(tmp_path / "again", 5)

    assert case.detections.read_bytes() == again.detections.read_bytes()
    assert case.annotations.read_bytes() == again.annotations.read_bytes()
    rows = json.loads(case.detections.read_text())
    assert len(rows) == 500
    assert {row["image_id"] for row in rows} == {1, 2, 3, 4, 5}


def counter(step: int) -> Work:
    """Counts on from call to call, in its own process."""
    counted = iter(range(step, 100, step))
    return lambda: {"count": next(counted)}


def broken() -> Work:
    def work() -> dict[str, int]:
        raise ValueError("no such file")

    return work


def test_workers_run_in_turn_and_keep_what_they_prepared() -> None:
    results = in_turn({"ones": (counter, 1), "tens": (counter, 10)}, rounds=3)

    assert [result["count"] for result in results["ones"]] == [1, 2, 3]
    assert [result["count"] for result in results["tens"]] == [10, 20, 30]
    assert [turned("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_a_worker_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="ValueError: no such file"):
        once(broken)
