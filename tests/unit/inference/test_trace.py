from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from ssdbench.arrays import spread
from ssdbench.boxes.decoding import Found
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.diagnosis.parity import ladder_of
from ssdbench.errors import UserError
from ssdbench.inference import trace
from ssdbench.inference.trace import Recorder, Trace, read_trace, write_trace

ANCHORS, CLASSES = 20, 3


def pixels_of(image_id: int) -> np.ndarray:
    return np.random.default_rng(image_id).integers(0, 256, (6, 6, 3), dtype=np.uint8)


def heads_of(image_id: int) -> Heads:
    random = np.random.default_rng(image_id)
    encodings = random.normal(0, 1, (1, ANCHORS, 4)).astype(np.float32)
    return Heads(encodings, random.random((1, ANCHORS, CLASSES + 1)).astype(np.float32))


def found_of(image_id: int) -> Found:
    random = np.random.default_rng(image_id)
    boxes = np.concatenate([100.0 * np.arange(5)[:, None], random.uniform(20, 80, (5, 3))], axis=1)
    return Found(np.arange(1, 6), np.linspace(0.9, 0.1, 5).astype(np.float32), boxes)


def recorded(ids: range, swapped: bool = False) -> Trace:
    recorder = Recorder(len(ids))
    for image_id in ids:
        pixels = pixels_of(image_id)
        recorder.add(image_id, pixels[..., ::-1] if swapped else pixels, heads_of(image_id))
    return recorder.result()


def found(ids: range) -> dict[int, Found]:
    return {image_id: found_of(image_id) for image_id in ids}


def test_digests_are_kept_of_all_images_and_heads_of_some_spread_over_the_list() -> None:
    cell = recorded(range(1001, 1101))

    assert cell.image_ids.tolist() == list(range(1001, 1101))
    pixels = pixels_of(1042)
    assert cell.pixels[41].tobytes() == hashlib.sha256(b"(6, 6, 3)" + pixels.tobytes()).digest()
    assert len(cell.heads_ids) == 32
    assert set(np.diff(cell.heads_ids).tolist()) == {3, 4}
    assert (cell.heads_ids[0], cell.heads_ids[-1]) == (1001, 1100)
    for image_id, encodings, scores in zip(cell.heads_ids.tolist(), cell.encodings, cell.scores, strict=True):
        assert np.array_equal(encodings, heads_of(image_id).encodings[0])
        assert np.array_equal(scores, heads_of(image_id).scores[0])


@pytest.mark.parametrize(("images_that_fit", "kept"), [(0.5, 1), (1, 1), (5, 5), (500, 32)])
def test_large_heads_are_kept_of_fewer_images_and_of_one_at_least(images_that_fit: float, kept: int) -> None:
    bytes_of_one = 4 * ANCHORS * (4 + CLASSES + 1)

    with patch.object(trace, "_MOST_BYTES", int(images_that_fit * bytes_of_one)):
        assert len(recorded(range(64)).heads_ids) == kept


@pytest.mark.parametrize(("count", "most", "indices"), [
    (3, 32, [0, 1, 2]), (1, 32, [0]), (9, 5, [0, 2, 4, 6, 8]), (100, 1, [0]), (0, 5, []),
])  # fmt: skip
def test_indices_are_spread(count: int, most: int, indices: list[int]) -> None:
    assert spread(count, most) == indices


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "seen.npz"
    cell = recorded(range(5))

    write_trace(path, cell)

    for name, value in vars(read_trace(path)).items():
        assert np.array_equal(value, getattr(cell, name))
        assert value.dtype == getattr(cell, name).dtype
    assert [file.name for file in tmp_path.iterdir()] == ["seen.npz"]


@pytest.mark.parametrize("content", [None, b"", b"[]\n", b"PK\x03\x04 and no more"])
def test_what_is_no_such_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "seen.npz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UserError, match=r"seen\.npz cannot be read"):
        read_trace(path)


def test_a_cut_off_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seen.npz"
    write_trace(path, recorded(range(5)))
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(UserError, match="cannot be read"):
        read_trace(path)


def test_a_cell_that_saw_the_same_agrees_on_every_rung(tmp_path: Path) -> None:
    ids = range(1, 51)
    write_trace(tmp_path / "seen.npz", recorded(ids))

    result = ladder_of("fp32", read_trace(tmp_path / "seen.npz"), recorded(ids), found(ids), found(ids), (0.3, 0.3))

    assert result.first_departure is None
    assert [(rung.name, rung.figures.get("images")) for rung in result.rungs] == [
        ("pixels", 50), ("heads", 32), ("boxes", None), ("ap", None),
    ]  # fmt: skip


def test_other_pixels_are_found_where_they_are() -> None:
    ids = range(1, 51)

    result = ladder_of("fp32", recorded(ids, swapped=True), recorded(ids), found(ids), found(ids))

    assert result.first_departure == "pixels"
    assert result.rungs[0].figures["different"] == 50


def test_heads_are_compared_image_by_image_whatever_the_order_of_the_images() -> None:
    ids = range(1, 11)
    cell = recorded(ids)
    other = Trace(*(value[::-1] for value in vars(cell).values()))
    changed = replace(cell, scores=np.concatenate([cell.scores[:1] + 0.1, cell.scores[1:]]))

    agrees = ladder_of("fp32", other, cell, found(ids), found(ids))
    departs = ladder_of("fp32", other, changed, found(ids), found(ids))

    assert agrees.first_departure is None
    assert departs.first_departure == "heads"
    assert departs.rungs[1].figures["scores_max_abs"] == pytest.approx(0.1)


def test_graphs_that_hide_their_heads_are_compared_without(tmp_path: Path) -> None:
    recorder = Recorder(2)
    for image_id in (1, 2):
        boxes, scores = np.zeros((1, 5, 4), np.float32), np.zeros((1, 5), np.float32)
        recorder.add(image_id, pixels_of(image_id), Finished(boxes, np.ones((1, 5), np.int64), scores, np.array([5])))
    write_trace(tmp_path / "seen.npz", recorder.result())
    cell = read_trace(tmp_path / "seen.npz")
    ids = range(1, 3)

    result = ladder_of("fp32", cell, cell, found(ids), found(ids))

    assert len(cell.heads_ids) == 0
    assert [rung.name for rung in result.rungs] == ["pixels", "boxes"]


def test_cells_of_other_images_are_not_compared() -> None:
    with pytest.raises(UserError, match="different images"):
        ladder_of("fp32", recorded(range(5)), recorded(range(6)), found(range(6)), found(range(6)))
