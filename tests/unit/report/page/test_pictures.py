from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssdbench.coco.image_list import ImageRecord
from ssdbench.errors import UserError
from ssdbench.report.page import pictures
from ssdbench.report.page.pictures import (
    LEAST_LOSS,
    build_pictures,
    choose_images,
    choose_worst,
    loss_words,
    match_boxes,
    thumbnail,
)

NAMES = {1: "person", 17: "cat"}


def truth(box: list[float], category: int = 1, iscrowd: int = 0) -> dict[str, Any]:
    return {"bbox": box, "category_id": category, "iscrowd": iscrowd}


def found(box: list[float], score: float, category: int = 1) -> dict[str, Any]:
    return {"bbox": box, "category_id": category, "score": score}


def test_the_better_of_two_boxes_takes_the_object_and_the_other_is_unmatched() -> None:
    result = match_boxes(
        [found([0, 0, 10, 10], 0.9), found([0, 0, 10, 9], 0.8)],
        [truth([0, 0, 10, 10]), truth([50, 50, 9, 9])],
        NAMES,
    )
    assert [box["is_match"] for box in result["boxes"]] == [True, False]
    assert result["missed"] == [1]


def test_another_class_or_too_little_overlap_does_not_match() -> None:
    result = match_boxes(
        [found([0, 0, 10, 10], 0.9, category=17), found([0, 0, 10, 4.9], 0.8)], [truth([0, 0, 10, 10])], NAMES
    )
    assert [box["is_match"] for box in result["boxes"]] == [False, False]
    assert result["missed"] == [0]


def test_a_crowd_takes_many_boxes_and_is_never_missed() -> None:
    crowd = truth([0, 0, 100, 100], iscrowd=1)
    result = match_boxes([found([0, 0, 9, 9], 0.9), found([30, 30, 9, 9], 0.8)], [crowd], NAMES)
    assert [box["is_match"] for box in result["boxes"]] == [True, True]
    assert result["missed"] == [] == match_boxes([], [crowd], NAMES)["missed"]


def test_images_are_spread_over_those_with_objects() -> None:
    records = [{"id": number} for number in range(100)]
    truths = {number: [1] for number in range(0, 100, 2)}
    chosen = [record["id"] for record in choose_images(records, truths, 5)]
    assert chosen == [10, 30, 50, 70, 90]
    assert len(choose_images(records, None, 12)) == 12
    assert choose_images(records[:3], None, 12) == records[:3]


def test_each_cell_in_turn_gives_its_worst_image_until_there_are_enough() -> None:
    losses = {"a": dict.fromkeys([1, 2, 3]), "b": dict.fromkeys([2, 4, 5, 6]), "c": {}}
    assert choose_worst(losses, set(), 4) == [1, 2, 4, 3]
    assert choose_worst(losses, {1, 2}, 9) == [4, 3, 5, 6]
    assert choose_worst({}, set(), 4) == []


@given(st.lists(st.lists(st.integers(0, 30), unique=True), max_size=5), st.sets(st.integers(0, 30)), st.integers(1, 9))
def test_no_image_is_chosen_twice_and_no_cell_is_left_out_while_there_is_room(
    worst: list[list[int]], taken: set[int], count: int
) -> None:
    chosen = choose_worst({str(cell): dict.fromkeys(ids) for cell, ids in enumerate(worst)}, taken, count)
    assert len(chosen) == len(set(chosen)) <= count and not taken & set(chosen)
    if len(worst) <= count:
        assert all(ids[0] in taken | set(chosen) for ids in worst if ids)


def loss(image_id: int, *objects: tuple[int, int, float, float], lost: float | None = None) -> dict[str, Any]:
    """A loss as parity.json has it; objects: annotation id, category id, scores of the reference and of the cell."""
    names = ("annotation_id", "category_id", "reference", "cell")
    return {
        "image_id": image_id,
        "lost": sum(before - after for _, _, before, after in objects) if lost is None else lost,
        "objects": [dict(zip(names, one, strict=True)) for one in objects],
    }


def test_what_was_lost_is_said_in_words() -> None:
    assert loss_words(loss(1, (7, 1, 0.91, 0.08)), NAMES) == (
        "lost 0.83: person found at 0.91 by the reference, at 0.08 here"
    )
    several = loss(1, (7, 1, 0.9, 0.0), (8, 17, 0.8, 0.1), (9, 99, 0.7, 0.2), (10, 1, 0.6, 0.3), (11, 1, 0.2, 0.4))
    assert loss_words(several, NAMES) == (
        "lost 2.20: person found at 0.90 by the reference, not at all here; cat found at 0.80, at 0.10 here; "
        "class 99 found at 0.70, at 0.20 here; and 1 more object"
    )
    assert (
        loss_words({"image_id": 1, "lost": 1.426}, NAMES) == "differs from the reference by 1.43 in the sum of scores"
    )


def test_a_loss_made_of_many_small_ones_still_names_an_object() -> None:
    small = loss(1, *((number, 1, 0.5, 0.5 - 0.8 * LEAST_LOSS) for number in range(5)))
    assert loss_words(small, NAMES) == "lost 0.20: person found at 0.50 by the reference, at 0.46 here"


def dataset(folder: Path, count: int, size: tuple[int, int] = (64, 48)) -> dict[str, Any]:
    """An image list of `count` images with one annotated person each, whose id is 100 more than the image's."""
    noise(folder / "noise.png", *size)
    annotations = folder / "instances.json"
    rows = [{"id": 100 + number, "image_id": number, **truth([4, 4, 20, 20])} for number in range(count)]
    record = {"file_name": "noise.png", "width": size[0], "height": size[1], "sha256": ""}
    images = [{"id": number, **record} for number in range(count)]
    categories = [{"id": 1, "name": "person"}]
    annotations.write_text(json.dumps({"images": images, "categories": categories, "annotations": rows}))
    return {"tag": "local", "folder": str(folder), "annotations": str(annotations), "images": images}


def test_pictures_are_a_sample_by_place_and_what_the_cells_lost_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = dataset(tmp_path, 40)
    detections = tmp_path / "detections.json"
    detections.write_text(json.dumps([{"image_id": 7, **found([4, 4, 20, 20], 0.4)}]))
    worst = {
        "a": [loss(number, (100 + number, 1, 0.9, 0.1)) for number in (7, 8, 9)],
        "b": [loss(9, (109, 1, 0.5, 0.2)), loss(11, (111, 1, LEAST_LOSS / 2, 0.0))],
    }
    read: list[Path] = []
    for name in ("read_detections", "read_annotations"):
        real = getattr(pictures, name)
        monkeypatch.setattr(pictures, name, lambda path, real=real: read.append(path) or real(path))
    shown = build_pictures(images, {"a": detections}, 4, worst)
    assert sorted(read) == [detections, tmp_path / "instances.json"]
    assert [picture["by_place"] for picture in shown] == [True] * 4 + [False] * 3
    assert [picture["cells"]["a"]["boxes"] != [] for picture in shown[4:]] == [True, False, False]
    assert [sorted(picture["losses"]) for picture in shown[4:]] == [["a"], ["a"], ["a", "b"]]
    entry = shown[6]["losses"]["b"]
    assert entry["lost"] == 0.3 and entry["objects"] == [{"truth": 0, "reference": 0.5, "cell": 0.2}]


def test_a_picture_chosen_by_place_also_says_what_was_lost_on_it(tmp_path: Path) -> None:
    images = dataset(tmp_path, 3)
    shown = build_pictures(images, {}, 3, {"a": [loss(1, (101, 1, 0.9, 0.1))]})
    assert [picture["by_place"] for picture in shown] == [True] * 3
    assert [list(picture["losses"]) for picture in shown] == [[], ["a"], []]


def test_without_annotations_a_disagreement_is_shown_and_names_no_object(tmp_path: Path) -> None:
    images = dataset(tmp_path, 3) | {"annotations": None}
    shown = build_pictures(images, {}, 3, {"a": [{"image_id": 1, "lost": 1.5}]})
    assert shown[1]["losses"]["a"]["objects"] == [] and shown[1]["losses"]["a"]["lost"] == 1.5
    assert not any(picture["annotated"] for picture in shown)


def test_all_pictures_together_stay_small(tmp_path: Path) -> None:
    images = dataset(tmp_path, 60, (640, 480))
    worst = {"a": [loss(number, (100 + number, 1, 0.9, 0.1)) for number in range(24)]}
    shown = build_pictures(images, {}, worst=worst)
    assert len(shown) == 24
    assert sum(len(picture["data_uri"]) for picture in shown) < 1_200_000


def noise(path: Path, width: int, height: int) -> ImageRecord:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return ImageRecord(1, path.name, width, height, "")


@pytest.mark.parametrize(("width", "height"), [(1200, 600), (90, 200), (3000, 2)])
def test_thumbnails_are_small_and_keep_their_shape(tmp_path: Path, width: int, height: int) -> None:
    uri = thumbnail(tmp_path, noise(tmp_path / "noise.png", width, height))
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    assert len(data) <= 36_000
    small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    scale = min(1, 480 / max(width, height))
    assert small.shape[:2] == (max(1, round(height * scale)), max(1, round(width * scale)))


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.jpg"):
        thumbnail(tmp_path, ImageRecord(1, "gone.jpg", 5, 5, ""))


def test_pictures_carry_truths_and_the_boxes_worth_showing(tmp_path: Path) -> None:
    noise(tmp_path / "a.png", 64, 48)
    annotations = tmp_path / "instances.json"
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 17, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, **truth([4, 4, 20, 20], 17)}],
    }
    annotations.write_text(json.dumps(document))
    images = {
        "tag": "local",
        "folder": str(tmp_path),
        "annotations": str(annotations),
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48, "sha256": ""}],
    }
    detections = tmp_path / "detections.json"
    rows = [found([4, 4, 20, 20], 0.31, 17), found([5, 5, 9, 9], 0.29, 17), found([9, 9, 9, 9], 0.8, 99)]
    detections.write_text(json.dumps([{"image_id": 1, **row} for row in rows]))
    (picture,) = build_pictures(images, {"cell": detections})
    assert picture["truths"] == [{"name": "cat", "box": [4.0, 4.0, 20.0, 20.0], "is_crowd": False}]
    shown = [(box["name"], box["score"], box["is_match"]) for box in picture["cells"]["cell"]["boxes"]]
    assert shown == [("class 99", 0.8, False), ("cat", 0.31, True)]

    assert picture["problem"] == ""

    (tmp_path / "a.png").write_bytes(b"not an image")
    (picture,) = build_pictures(images, {"cell": detections})
    assert "a.png" in picture["problem"] and picture["data_uri"] == ""

    (picture,) = build_pictures({**images, "annotations": None}, {"cell": detections})
    assert picture["truths"] == [] and len(picture["cells"]["cell"]["boxes"]) == 2
