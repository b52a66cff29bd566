from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssdbench.coco.annotations import Annotations, read_annotations
from ssdbench.coco.categories import Category
from ssdbench.coco.detections import Detection, read_detections, write_detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.coco.objects import Annotation, Objects
from ssdbench.errors import UserError
from support.json_documents import JSON, json_file

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


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    document = copy.deepcopy(VALID)
    change(document)
    return document


def test_annotations_are_read_as_they_are(tmp_path: Path) -> None:
    read = read_annotations(json_file(tmp_path, VALID))

    assert read == Annotations(
        categories=(Category(1, "person", 1), Category(17, "cat", 1)),
        images=(ImageRecord(7, "a.jpg", 640, 480, ""), ImageRecord(9, "more/b.jpg", 10, 20, "")),
        annotations=Objects.of(
            [
                Annotation(5, 7, 17, (1.0, 2.5, 30.0, 40.0), 700.5, False),
                Annotation(6, 7, 1, (0.0, 0.0, 9.0, 9.0), 80.0, True),
            ]
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

    read = read_annotations(json_file(tmp_path, changed(change)))

    first, second = read.annotations
    assert first == Annotation(0, 7, 17, (-5.0, 600.0, 30.0, 40.0), 1200.0, False)
    assert second.bbox == (3.0, 3.0, 0.0, 5.0)
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

    assert read_annotations(json_file(tmp_path, changed(change))) == read_annotations(json_file(tmp_path, VALID))


def test_whole_numbers_may_have_a_decimal_point(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        for rows in (document["images"], document["categories"], document["annotations"]):
            for row in rows:
                row |= {
                    key: float(row[key]) for key in row.keys() & {"id", "image_id", "category_id", "width", "height"}
                }

    read = read_annotations(json_file(tmp_path, changed(change)))

    assert read == read_annotations(json_file(tmp_path, VALID))
    assert {type(number) for image in read.images for number in (image.id, image.width)} == {int}


@pytest.mark.parametrize("start", [2**53, 20240101123456789151, 10**38, -(2**64)])
def test_ids_of_any_size_are_told_apart(tmp_path: Path, start: int) -> None:
    def change(document: dict[str, Any]) -> None:
        for row in document["images"]:
            row["id"] += start
        for row in document["annotations"]:
            row["image_id"] += start
            row["id"] += start

    read = read_annotations(json_file(tmp_path, changed(change)))
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
        (put("annotations", 0, "bbox", [1, 2, 3, 4, 5]), r"annotations\[0\].bbox is \[1, 2, 3, 4, 5\], not four"),
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
    path = json_file(tmp_path, changed(change))

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
    path = json_file(tmp_path, document)

    try:
        read = read_annotations(path)
    except UserError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite([*entry.bbox, entry.area]).all() for entry in read.annotations)


def test_annotations_written_in_another_way_are_the_same(tmp_path: Path) -> None:
    """The slower reader, which alone takes `iscrowd` as a truth value, must find the same."""
    (tmp_path / "other").mkdir()
    other = copy.deepcopy(VALID)
    for row in other["annotations"]:
        row["iscrowd"] = bool(row["iscrowd"])

    plain, slow = (
        read_annotations(json_file(folder, document))
        for folder, document in ((tmp_path, VALID), (tmp_path / "other", other))
    )
    assert plain.annotations == slow.annotations
    assert plain.notes == slow.notes
