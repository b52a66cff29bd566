from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssdbench.coco.annotations import Annotation, Annotations, read_annotations
from ssdbench.coco.categories import Category
from ssdbench.coco.detections import Detection, read_detections, write_detections
from ssdbench.coco.image_list import ImageList, ImageRecord, read_image_list, write_image_list
from ssdbench.errors import UserError

VALID: dict[str, Any] = {
    "info": {"year": 2017},
    "images": [
        {"id": 7, "file_name": "a.jpg", "width": 640, "height": 480, "license": 2},
        {"id": 9, "file_name": "more/b.jpg", "width": 10, "height": 20},
    ],
    "categories": [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 17, "name": "cat"}],
    "annotations": [
        {"id": 5, "image_id": 7, "category_id": 17, "bbox": [1, 2.5, 30, 40], "area": 700.5, "iscrowd": 0},
        {"id": 6, "image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 80, "iscrowd": 1},
    ],
}


def annotations_file(folder: Path, document: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = copy.deepcopy(VALID)
    change(document)
    return document


def test_annotations_are_read_as_they_are(tmp_path: Path) -> None:
    read = read_annotations(annotations_file(tmp_path, VALID))

    assert read == Annotations(
        categories=(Category(1, "person", 1), Category(17, "cat", 1)),
        images=(ImageRecord(7, "a.jpg", 640, 480, ""), ImageRecord(9, "more/b.jpg", 10, 20, "")),
        annotations=(
            Annotation(5, 7, 17, (1.0, 2.5, 30.0, 40.0), 700.5, False),
            Annotation(6, 7, 1, (0.0, 0.0, 9.0, 9.0), 80.0, True),
        ),
        notes=(),
    )


def test_the_real_sample_is_read_whole(coco_sample: Any) -> None:
    read = read_annotations(coco_sample.annotations)

    assert (len(read.images), len(read.annotations), len(read.categories)) == (130, 1228, 80)
    assert sum(annotation.iscrowd for annotation in read.annotations) == 16
    assert not read.notes


def test_what_is_unusual_but_legal_is_kept_and_noted(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["annotations"][0] = {"id": 0, "image_id": 7, "category_id": 17, "bbox": [-5, 600, 30, 40]}
        document["annotations"][1]["bbox"] = [3, 3, 0, 5]

    read = read_annotations(annotations_file(tmp_path, changed(change)))

    assert read.annotations[0] == Annotation(0, 7, 17, (-5.0, 600.0, 30.0, 40.0), 1200.0, False)
    assert read.annotations[1].bbox == (3.0, 3.0, 0.0, 5.0)
    assert [note.split(":")[0].split(";")[0] for note in read.notes] == [
        "1 annotations have no area",
        "1 annotated boxes have no width or no height",
        "1 of 2 annotated boxes leave their image",
    ]


def test_keypoint_files_are_read_for_their_boxes(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        document["categories"][0] |= {"keypoints": ["nose", "left_eye"], "skeleton": [[1, 2]]}
        document["categories"][1] |= {"keypoints": []}
        for row in document["annotations"]:
            row |= {"keypoints": [3, 4, 2, 0, 0, 0], "num_keypoints": 1}

    assert read_annotations(annotations_file(tmp_path, changed(change))) == read_annotations(
        annotations_file(tmp_path, VALID)
    )


def test_whole_numbers_may_have_a_decimal_point(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        for rows in (document["images"], document["categories"], document["annotations"]):
            for row in rows:
                row |= {
                    key: float(row[key]) for key in row.keys() & {"id", "image_id", "category_id", "width", "height"}
                }

    read = read_annotations(annotations_file(tmp_path, changed(change)))

    assert read == read_annotations(annotations_file(tmp_path, VALID))
    assert {type(number) for image in read.images for number in (image.id, image.width)} == {int}


@pytest.mark.parametrize("start", [2**53, 20240101123456789151, 10**38, -(2**64)])
def test_ids_of_any_size_are_told_apart(tmp_path: Path, start: int) -> None:
    def change(document: dict[str, Any]) -> None:
        for row in document["images"]:
            row["id"] += start
        for row in document["annotations"]:
            row["image_id"] += start
            row["id"] += start

    read = read_annotations(annotations_file(tmp_path, changed(change)))
    seven, nine = (image.id for image in read.images)

    assert seven != nine
    assert {seven: start + 7, nine: start + 9}.items() >= read.large_ids.items()
    assert all(-(2**53) <= number <= 2**53 for number in (seven, nine))
    assert [row.image_id for row in read.annotations] == [seven, seven]
    row = Detection(start + 7, 17, (0, 0, 1, 1), 0.5)
    write_detections(tmp_path / "detections.json", [row])
    assert read_detections(tmp_path / "detections.json").image_id.tolist() == [seven]


def put(section: str, index: int, key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document[section][index].__setitem__(key, value)


def without(section: str, index: int, key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document[section][index].pop(key)


def without_boxes(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    def change(document: dict[str, Any]) -> None:
        for row in document["annotations"]:
            del row["bbox"]
            row[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("images", 1, "file_name"), r"images\[1\] lacks the key 'file_name'"),
        (without("images", 0, "id"), r"images\[0\] lacks the key 'id'"),
        (without("categories", 1, "name"), r"categories\[1\] lacks the key 'name'"),
        (without("annotations", 1, "bbox"), r"annotations\[1\] lacks the key 'bbox'"),
        (put("images", 1, "id", 7), r"images\[1\].id is 7, which an earlier entry has"),
        (put("categories", 1, "id", 1), r"categories\[1\].id is 1, which an earlier"),
        (put("annotations", 1, "id", 5), r"annotations\[1\].id is 5, which an earlier"),
        (put("images", 0, "id", "000139"), r"images\[0\].id is '000139', not a whole number"),
        (put("images", 0, "id", True), r"images\[0\].id is True, not a whole number"),
        (put("images", 0, "id", 2.5), r"images\[0\].id is 2\.5, not a whole number"),
        (put("images", 0, "id", 1e20), r"images\[0\].id is 1e\+20, which a decimal point has made inexact"),
        (put("images", 0, "width", 0), r"images\[0\] has a width of 0"),
        (put("images", 0, "file_name", "../../etc/passwd"), r"which leaves the folder"),
        (put("images", 0, "file_name", "/etc/passwd"), r"which leaves the folder"),
        (put("images", 0, "file_name", ""), r"images\[0\].file_name is '', not a text"),
        (put("images", 0, "file_name", "a\0b"), r"images\[0\].file_name .* not a text"),
        (put("categories", 0, "name", "\ud800"), r"categories\[0\].name .* not a text"),
        (put("annotations", 0, "image_id", 8), r"annotations\[0\].image_id is 8, but there is no such image"),
        (put("annotations", 0, "category_id", 2), r"annotations\[0\].category_id is 2, but there is no such"),
        (put("annotations", 0, "bbox", [1, 2, 3]), r"annotations\[0\].bbox is \[1, 2, 3\], not four"),
        (put("annotations", 0, "bbox", [1, float("nan"), 3, 4]), r"annotations\[0\].bbox .* not four finite"),
        (put("annotations", 0, "bbox", [1, 2, float("inf"), 4]), r"annotations\[0\].bbox .* not four finite"),
        (put("annotations", 0, "bbox", [1, 2, 10**400, 4]), r"annotations\[0\].bbox .* not four finite"),
        (put("annotations", 0, "bbox", [1, 2, "3", 4]), r"annotations\[0\].bbox .* not four finite"),
        (
            put("annotations", 0, "bbox", [1, 2, -3, 4]),
            r"annotations\[0\].bbox .* width or height is negative",
        ),
        (put("annotations", 0, "area", float("nan")), r"annotations\[0\].area is nan"),
        (put("annotations", 0, "area", -1), r"annotations\[0\].area is -1"),
        (put("annotations", 0, "iscrowd", 2), r"annotations\[0\].iscrowd is 2"),
        (lambda document: document["annotations"].append("x"), r"annotations\[2\] is str in JSON, not object"),
        (lambda document: document.pop("categories"), "lacks the list 'categories'"),
        (lambda document: document.update(images={}), "images is object in JSON, not array"),
        (lambda document: document.update(images=[], annotations=[]), "lists no images"),
        (without_boxes("caption", "A cat."), "holds COCO captions, which have no boxes"),
        (without_boxes("segments_info", []), "holds COCO panoptic segments, which have no boxes"),
    ],
)
def test_what_makes_no_sense_is_one_sentence_that_names_it(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: str
) -> None:
    path = annotations_file(tmp_path, changed(change))

    with pytest.raises(UserError, match=words) as caught:
        read_annotations(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "no JSON", "[" * 100_000, "\xff", '{"images": [', "[]", "3", "null"])
def test_what_is_no_annotations_file_at_all_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(text.encode("latin-1"))

    words = r"is (not (JSON|COCO annotations|text in UTF-8)|(array|int|null) in JSON)"
    with pytest.raises(UserError, match=rf"instances\.json(: the whole file)? {words}"):
        read_annotations(path)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([2**53, -(10**30), 1e308, 7, 17, [1, 2, 3, 4], [0, 0, -0.0, 0], "a.jpg"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_document_makes_the_reader_fail_otherwise(tmp_path: Path, data: st.DataObject) -> None:
    document = copy.deepcopy(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        section = data.draw(st.sampled_from(["images", "categories", "annotations"]))
        rows = document[section]
        if isinstance(rows, list) and rows and isinstance(rows[-1], dict) and data.draw(st.booleans()):
            rows[-1][data.draw(st.sampled_from(sorted(rows[-1]) or ["id"]))] = data.draw(JSON)
        else:
            odd = data.draw(JSON | st.lists(JSON, max_size=3))
            document[section] = [*copy.deepcopy(VALID[section]), *odd] if isinstance(odd, list) else odd
    path = annotations_file(tmp_path, document)

    try:
        read = read_annotations(path)
    except UserError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite([*entry.bbox, entry.area]).all() for entry in read.annotations)


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
    path = annotations_file(tmp_path, document)

    try:
        rows = list(read_detections(path))
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert all(np.isfinite([*row.bbox, row.score]).all() for row in rows)


def test_an_image_list_comes_back_as_it_was(tmp_path: Path) -> None:
    records = (ImageRecord(7, "é.jpg", 640, 480, "ab"), ImageRecord(9, "b.jpg", 1, 2, "cd"))
    with_annotations = ImageList("t-first2", "t", tmp_path, tmp_path / "a.json", "ef", records, ("A note.",))
    without_annotations = ImageList("local", "local", Path("images"), None, "", records, ())

    for images in (with_annotations, without_annotations):
        write_image_list(tmp_path / "images.json", images)
        assert read_image_list(tmp_path / "images.json") == images


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"images": [3]}'])
def test_another_file_is_no_image_list(tmp_path: Path, text: str) -> None:
    (tmp_path / "images.json").write_text(text)

    with pytest.raises(UserError, match="is not an image list"):
        read_image_list(tmp_path / "images.json")


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
        list(read_detections(annotations_file(tmp_path, document)))


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
        read_detections(annotations_file(tmp_path, rows))


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


def test_annotations_written_in_another_way_are_the_same(tmp_path: Path) -> None:
    """Ids with a decimal point take the slower reader, which must find the same."""
    (tmp_path / "other").mkdir()
    other = copy.deepcopy(VALID)
    for row in other["annotations"]:
        row["image_id"] = float(row["image_id"])

    plain, slow = (
        read_annotations(annotations_file(folder, document))
        for folder, document in ((tmp_path, VALID), (tmp_path / "other", other))
    )
    assert plain.annotations == slow.annotations
    assert plain.notes == slow.notes
