from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ssdbench.coco import ImageRecord
from ssdbench.errors import UserError
from ssdbench.report.pictures import build_pictures, choose_images, match_boxes, thumbnail

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


def noise(path: Path, width: int, height: int) -> ImageRecord:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    assert cv2.imwrite(str(path), pixels)
    return ImageRecord(1, path.name, width, height, "")


@pytest.mark.parametrize(("width", "height"), [(1200, 600), (90, 200), (3000, 2)])
def test_thumbnails_are_small_and_keep_their_shape(tmp_path: Path, width: int, height: int) -> None:
    uri = thumbnail(tmp_path, noise(tmp_path / "noise.png", width, height))
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"))
    assert len(data) <= 40_000
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
        "categories": [{"id": 17, "name": "cat"}],
        "annotations": [{"image_id": 1, **truth([4, 4, 20, 20], 17)}],
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
