"""Detections: written as COCO results and read from anywhere, or refused in a sentence."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssdbench.coco.detections import Detection, read_detections, write_detections
from ssdbench.errors import UserError
from support.json_documents import JSON, json_file


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=JSON
    | st.lists(
        st.fixed_dictionaries(
            {
                "image_id": JSON,
                "category_id": st.just(1) | JSON,
                "bbox": st.just([1, 2, 3, 4]) | JSON,
                "score": JSON,
            }
        )
    )
)
def test_no_detections_file_makes_the_reader_fail_otherwise(tmp_path: Path, document: Any) -> None:
    path = json_file(tmp_path, document)

    try:
        rows = list(read_detections(path))
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert all(np.isfinite([*row.bbox, row.score]).all() for row in rows)


SCORES = st.floats(0, 1, width=32)
SIDES = st.floats(-1000, 10000)
ROWS = st.lists(
    st.builds(Detection, st.integers(0, 2**40), st.integers(1, 90), st.tuples(SIDES, SIDES, SIDES, SIDES), SCORES)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_detections_come_back_with_the_same_scores_and_boxes(tmp_path: Path, rows: list[Detection]) -> None:
    path = tmp_path / "detections.json"

    assert write_detections(path, iter(rows)) == len(rows)
    read = list(read_detections(path))
    first = path.read_bytes()
    write_detections(path, read)

    assert path.read_bytes() == first
    assert [(row.image_id, row.category_id) for row in read] == [(row.image_id, row.category_id) for row in rows]
    assert [np.float32(row.score) for row in read] == [np.float32(row.score) for row in rows]
    for before, after in zip(rows, read, strict=True):
        assert after.bbox == pytest.approx(before.bbox, abs=5.1e-5)


def test_detections_are_plain_coco_results_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "detections.json"
    rows = [
        Detection(139, 62, (1e-9, 1 / 3, 100, 2.5), float(np.float32(0.1))),
        Detection(1, 1, (0, 0, 1, 1), 1),
    ]

    write_detections(path, rows)

    assert path.read_text().splitlines() == [
        "[",
        '{"image_id": 139, "category_id": 62, "bbox": [0.0000, 0.3333, 100.0000, 2.5000], "score": 0.1},',
        '{"image_id": 1, "category_id": 1, "bbox": [0.0000, 0.0000, 1.0000, 1.0000], "score": 1.0}',
        "]",
    ]


@pytest.mark.parametrize(
    "row",
    [
        Detection(5, 1, (0, 0, 1, 1), float("nan")),
        Detection(5, 1, (0, 0, 1, 1), float("inf")),
        Detection(5, 1, (0, float("nan"), 1, 1), 0.5),
    ],
)
def test_numbers_that_are_none_are_not_written(tmp_path: Path, row: Detection) -> None:
    path = tmp_path / "detections.json"
    path.write_text("before")

    with pytest.raises(UserError, match=r"A detection in image 5 .* NaN or infinite"):
        write_detections(path, [Detection(4, 1, (0, 0, 1, 1), 0.5), row])
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_holds_one_row_at_a_time(tmp_path: Path) -> None:
    def rows() -> Iterator[Detection]:
        for number in range(20_000):
            yield Detection(number, 1, (0.123, 4.567, 8.9, 10.0), 0.5)

    tracemalloc.start()
    write_detections(tmp_path / "detections.json", rows())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (tmp_path / "detections.json").stat().st_size > 1_500_000
    assert peak < 500_000


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "the whole file is object in JSON, not array"),
        ([3], r"\[0\] is int in JSON, not object"),
        ([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}], r"\[0\] lacks the key 'score'"),
        ([{"image_id": 1, "category_id": 1, "segmentation": {}, "score": 1}], r"\[0\] lacks the key 'bbox'"),
        (
            [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": float("nan")}],
            r"\[0\].score is nan",
        ),
    ],
)
def test_other_files_are_no_detections(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        list(read_detections(json_file(tmp_path, document)))


def rows_in_pieces(count: int) -> list[dict[str, Any]]:
    """Rows whose text is longer than what the reader takes at once."""
    return [
        {"image_id": n, "category_id": n % 90, "bbox": [n / 7, 0.5, 1e-3 * n, 3], "score": n / count}
        for n in range(count)
    ]


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":"), (" ,\n\t", " :\r\n")])
def test_a_long_file_of_any_layout_is_read_whole(tmp_path: Path, separators: tuple[str, str]) -> None:
    rows = rows_in_pieces(6000)
    text = json.dumps(rows, separators=separators)
    assert len(text) > 2**18
    (tmp_path / "plain.json").write_text(f"\n{text}\n ")
    # A text with braces, an object and an id with a decimal point: only the slower reader takes these.
    odd = [{**row, "note": "a } b, {", "more": {"a": [1, {}]}, "image_id": float(row["image_id"])} for row in rows]
    (tmp_path / "odd.json").write_text(json.dumps(odd, separators=separators))

    expected = [Detection(r["image_id"], r["category_id"], tuple(r["bbox"]), r["score"]) for r in rows]
    assert list(read_detections(tmp_path / "plain.json")) == expected
    assert list(read_detections(tmp_path / "odd.json")) == expected


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"score": None}, r"\[5900\]\.score is None, not a finite number"),
        ({"bbox": [0, 0, 1, 1e10]}, r"\[5900\]\.bbox is .* not four finite numbers"),
        ({"image_id": 1.5}, r"\[5900\]\.image_id is 1\.5, not a whole number"),
    ],
)
def test_a_fault_late_in_a_long_file_is_named_by_its_place_in_the_file(
    tmp_path: Path, fault: dict[str, Any], words: str
) -> None:
    rows = rows_in_pieces(6000)
    rows[5900] |= fault
    with pytest.raises(UserError, match=words):
        read_detections(json_file(tmp_path, rows))


@pytest.mark.parametrize("damage", ["cut", "twice", "comma", "doubled comma", "rest"])
def test_a_long_file_that_is_not_json_is_refused(tmp_path: Path, damage: str) -> None:
    text = json.dumps(rows_in_pieces(6000))
    damaged = {
        "cut": text[: text.rindex("{")],
        "twice": text + text,
        "comma": text[:-1] + ",]",
        "doubled comma": text.replace("}, {", "},, {"),
        "rest": text + " null",
    }[damage]
    (tmp_path / "damaged.json").write_text(damaged)
    with pytest.raises(UserError, match=r"damaged\.json is not JSON"):
        read_detections(tmp_path / "damaged.json")
