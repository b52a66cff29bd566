"""The share of AP kept, without labels: it falls with what an artifact loses, and with nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from ssdbench.boxes.decoding import Found
from ssdbench.evaluation.pseudo_labels import PseudoLabels

IMAGES = range(1, 25)


def detections(seed: int = 0) -> dict[int, Found]:
    """Ten objects an image of four classes, in places of their own."""
    random = np.random.default_rng(seed)

    def one() -> Found:
        corners = np.stack([np.arange(10) * 60.0, random.uniform(0, 300, 10)], axis=1)
        boxes = np.concatenate([corners, random.uniform(30, 60, (10, 2))], axis=1)
        scores = np.sort(random.uniform(0.3, 1, 10))[::-1].astype(np.float32)
        return Found(random.integers(1, 5, 10), scores, boxes)

    return {image_id: one() for image_id in IMAGES}


def moved(found: dict[int, Found], by: float) -> dict[int, Found]:
    random = np.random.default_rng(1)
    return {
        image_id: Found(one.class_ids, one.scores, one.boxes + random.normal(0, by, one.boxes.shape))
        for image_id, one in found.items()
    }


def test_fp32_keeps_all_of_its_own_ap() -> None:
    found = detections()
    assert PseudoLabels(found).kept(found) == 1


def test_the_further_boxes_are_off_the_less_is_kept() -> None:
    found = detections()
    labels = PseudoLabels(found)
    kept = [labels.kept(moved(found, by)) for by in (0.5, 4, 10, 30)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] == pytest.approx(1, abs=0.02)
    assert kept[-1] < 0.5


def test_boxes_of_another_class_keep_little_and_none_keep_nothing() -> None:
    found = detections()
    labels = PseudoLabels(found)
    other = {i: Found(one.class_ids % 4 + 1, one.scores, one.boxes) for i, one in found.items()}
    none = {i: Found(one.class_ids[:0], one.scores[:0], one.boxes[:0]) for i, one in found.items()}
    assert labels.kept(other) < 0.2
    assert labels.kept(none) == 0


def test_the_same_seed_gives_the_same_share_and_another_one_nearly() -> None:
    found = detections()
    cell = moved(found, 4)
    first, again, other = (PseudoLabels(found, seed).kept(cell) for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert first == pytest.approx(other, abs=0.03)


def test_several_boxes_of_one_object_are_one_label() -> None:
    found = detections()
    doubled = {
        i: Found(np.repeat(one.class_ids, 2), np.repeat(one.scores, 2), np.repeat(one.boxes, 2, axis=0))
        for i, one in found.items()
    }
    # whoever finds each object once is right about all of them
    assert PseudoLabels(doubled).kept(found) > 1


def test_without_anything_found_nothing_can_be_said() -> None:
    none = {1: Found(np.empty(0, np.int64), np.empty(0, np.float32), np.empty((0, 4)))}
    assert np.isnan(PseudoLabels(none).kept(none))
