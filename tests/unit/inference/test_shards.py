"""Accuracy runs in shards: what is merged is what one run would have written, and a failed shard fails the cell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.coco.detections import Detection, join_detections, write_detections
from ssdbench.coco.image_list import ImageList, ImageRecord, write_image_list
from ssdbench.errors import UserError
from ssdbench.inference.shards import check_complete, merged_record, shard_slice
from ssdbench.inference.trace import Recorder, join_traces, write_trace
from support.rule_script import run_rule_script

ROW = Detection(7, 3, (1.25, 2.5, 30.0625, 4.0), 0.123456789)


def image_list(count: int) -> ImageList:
    records = tuple(ImageRecord(image, f"{image}.jpg", 10, 10, "") for image in range(100, 100 + count))
    return ImageList("local", "local", Path("images"), None, "", records, ())


def recorded(images: range, count: int, first: int, finishes: bool = False) -> Any:
    recorder = Recorder(count, first)
    for image in images:
        random = np.random.default_rng(image)
        pixels = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        boxes, scores = random.random((1, 6, 4), np.float32), random.random((1, 6, 3), np.float32)
        ids = np.ones((1, 6), np.int64)
        output = Finished(boxes, ids, scores[..., 0], np.array([6])) if finishes else Heads(boxes, scores)
        recorder.add(image, pixels, output)
    return recorder.result()


def record(**changed: Any) -> dict[str, Any]:
    """A shard's detect.json, with some of it changed."""
    return {
        "status": "ok", "reason": "", "log": "a.log", "images": 2, "detections": 3, "uncategorised": 2, "seconds": 0.5,
        "images_per_second": 4.0, "runtime": {"runtime": "r"}, "code_sha256": "c", "versions": {"numpy": "2"},
        "host": {"hostname": "one", "cpu": "fast"}, **changed,
    }  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_joined_detections_are_the_bytes_of_one_file(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("joined")
    rows = [[replace(ROW, image_id=part, score=0.1 * i) for i in range(count)] for part, count in enumerate(counts)]
    parts = [folder / f"{number}.json" for number in range(len(counts))]
    for path, part in zip(parts, rows, strict=True):
        write_detections(path, part)
    write_detections(folder / "whole.json", [row for part in rows for row in part])

    join_detections(folder / "joined.json", parts)

    assert (folder / "joined.json").read_bytes() == (folder / "whole.json").read_bytes()


@pytest.mark.parametrize("finishes", [False, True])
@pytest.mark.parametrize(("count", "size"), [(70, 7), (70, 69), (5, 2), (70, 200)])
def test_joined_shards_saw_what_one_run_sees(tmp_path: Path, count: int, size: int, finishes: bool) -> None:
    images = range(100, 100 + count)
    starts = range(0, count + size, size)  # the last shard is empty
    parts = [recorded(images[start : start + size], count, start, finishes) for start in starts]

    write_trace(tmp_path / "joined.npz", join_traces(parts))
    write_trace(tmp_path / "whole.npz", recorded(images, count, 0, finishes))

    assert (tmp_path / "joined.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


@given(count=st.integers(1, 50), size=st.integers(1, 60))
def test_shards_hold_each_image_once_and_in_order(count: int, size: int) -> None:
    images = list(range(count))
    shards = [images[shard_slice(number, size)] for number in range(1, -(-count // size) + 1)]
    assert [image for shard in shards for image in shard] == images
    assert all(len(shard) == size for shard in shards[:-1])


def test_shards_that_miss_an_image_are_no_whole_run() -> None:
    images = image_list(5)
    check_complete(np.array([100, 101, 102, 103, 104]), images)
    for ids in ([100, 101, 102, 103], [101, 100, 102, 103, 104], [100, 101, 102, 103, 104, 105]):
        with pytest.raises(UserError, match="not the 5 of the image list"):
            check_complete(np.array(ids), images)


def test_the_merged_record_adds_up_and_names_the_machines() -> None:
    other = record(images=1, detections=0, seconds=0.25, host={"hostname": "two", "cpu": "slow"}, log="b.log")

    merged = merged_record([record(), other])

    assert (merged["images"], merged["detections"], merged["seconds"], merged["images_per_second"]) == (3, 3, 0.75, 4.0)
    assert [(shard["hostname"], shard["cpu"]) for shard in merged["shards"]] == [("one", "fast"), ("two", "slow")]
    assert merged["uncategorised"] == 4
    assert not merged.keys() & {"status", "reason", "log"}


@pytest.mark.parametrize("key", ["code_sha256", "versions"])
def test_shards_of_other_code_are_not_merged(key: str) -> None:
    with pytest.raises(UserError, match=key):
        merged_record([record(), record(**{key: "other"})])


def merge(folder: Path, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Run the rule's script on shards of two images with these records."""
    images = range(100, 100 + 2 * len(records))
    write_image_list(folder / "images.json", image_list(len(images)))
    shards = []
    for number, content in enumerate(records):
        shard = folder / str(number)
        shard.mkdir()
        (shard / "detect.json").write_text(json.dumps(content))
        write_detections(shard / "detections.json", [replace(ROW, image_id=100 + 2 * number)])
        write_trace(shard / "seen.npz", recorded(images[2 * number : 2 * number + 2], len(images), 2 * number))
        shards.append(shard)
    names = {"detections": "detections.json", "detect": "detect.json", "seen": "seen.npz"}
    inputs = {key: [shard / name for shard in shards] for key, name in names.items()}
    output = {key: folder / name for key, name in names.items()}
    run_rule_script("merge_shards.py", folder / "log.txt", {**inputs, "images": folder / "images.json"}, output, {}, {})
    result: dict[str, Any] = json.loads((folder / "detect.json").read_text())
    return result


def test_a_cell_of_whole_shards_is_ok(tmp_path: Path) -> None:
    merged = merge(tmp_path, [record(), record()])
    assert (merged["status"], merged["images"]) == ("ok", 4)
    assert len(json.loads((tmp_path / "detections.json").read_text())) == 2


def test_a_failed_shard_fails_the_cell_with_its_reason_and_nothing_partial_is_left(tmp_path: Path) -> None:
    failed = {"status": "failed", "reason": "killed by signal 11.", "log": "second.log"}
    merged = merge(tmp_path, [record(), failed, record()])
    assert merged == {"status": "failed", "reason": "shard 2 of 3: killed by signal 11.", "log": "second.log"}
    assert json.loads((tmp_path / "detections.json").read_text()) == []
