from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest

from ssdbench.boxes.anchors import standard_anchors
from ssdbench.boxes.decoding import Found, HeadDecoding, detections_of
from ssdbench.boxes.nms import NmsSettings
from ssdbench.boxes.outputs import Heads
from ssdbench.coco.detections import Detections
from ssdbench.diagnosis.parity import ImageTrace, Ladder, Parity
from ssdbench.diagnosis.tolerances import TOLERANCES
from ssdbench.errors import UserError
from ssdbench.evaluation.image_matching import found_by_image
from ssdbench.inference.trace import pixel_hash
from support.real_detections import real_detections, real_truth

IMAGES = 3
DECODING = HeadDecoding(standard_anchors(), (10.0, 10.0, 5.0, 5.0), NmsSettings())


def pixels_of(image_id: int) -> np.ndarray:
    return np.random.default_rng(image_id).integers(0, 256, (30, 30, 3), dtype=np.uint8)


def heads_of(image_id: int) -> Heads:
    """Heads as an SSD gives them: faint scores everywhere, high ones on the anchors around twelve objects."""
    random = np.random.default_rng(image_id)
    anchors = standard_anchors()
    logits = random.normal(-7, 1, (len(anchors), 91))
    for _ in range(12):
        centre, class_id = random.uniform(0.1, 0.9, 2), random.integers(1, 91)
        distance = np.abs((anchors[:, :2] + anchors[:, 2:]) / 2 - centre).max(axis=1)
        logits[:, class_id] += 8 * np.exp(-((distance / 0.03) ** 2))
    encodings = random.normal(0, 1.5, (1, len(anchors), 4)).astype(np.float32)
    return Heads(encodings, (1 / (1 + np.exp(-logits))).astype(np.float32)[None])


def noisy(heads: Heads, share: float, seed: int = 0) -> Heads:
    """Heads of perturbed weights: a relative error of about `share` in both outputs."""
    random = np.random.default_rng(seed)

    def perturbed(values: np.ndarray) -> np.ndarray:
        return (values * (1 + share * random.normal(0, 1, values.shape))).astype(np.float32)

    return Heads(perturbed(heads.encodings), perturbed(heads.scores).clip(0, 1))


def seen(pixels: np.ndarray, heads: Heads) -> ImageTrace:
    return ImageTrace(pixel_hash(pixels), heads, detections_of(heads, [(640, 480)], DECODING)[0])


def with_found(one: ImageTrace, change: Callable[[Found], Found]) -> ImageTrace:
    return replace(one, found=change(one.found))


def shifted(found: Found) -> Found:
    return Found(found.class_ids + 1, found.scores, found.boxes)


def kept(found: Found, which: slice | np.ndarray) -> Found:
    return Found(found.class_ids[which], found.scores[which], found.boxes[which])


def parity(change: Callable[[int, ImageTrace], ImageTrace], precision: str = "fp32", ap: float = 0.3) -> Parity:
    """The ladder of a cell that is the reference but for one change."""
    ladder = Ladder(precision)
    for image_id in range(1, IMAGES + 1):
        reference = seen(pixels_of(image_id), heads_of(image_id))
        ladder.add(image_id, change(image_id, reference), reference)
    return ladder.result(ap, 0.3)


def figures(result: Parity, rung: str) -> dict[str, float | None]:
    return next(one for one in result.rungs if one.name == rung).figures


def fed_bgr(image_id: int, one: ImageTrace) -> ImageTrace:
    return seen(pixels_of(image_id)[..., ::-1], noisy(heads_of(image_id), 0.5))


CHANGES: dict[str, tuple[Callable[[int, ImageTrace], ImageTrace], str]] = {
    "BGR": (fed_bgr, "pixels"),
    "perturbed weights": (lambda i, one: seen(pixels_of(i), noisy(heads_of(i), 0.6)), "heads"),
    "class ids shifted": (lambda i, one: with_found(one, shifted), "boxes"),
    "threshold 0.3": (lambda i, one: with_found(one, lambda f: kept(f, f.scores > 0.3)), "boxes"),
    "ten detections": (lambda i, one: with_found(one, lambda f: kept(f, slice(10))), "boxes"),
}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("worse", CHANGES)
def test_each_way_to_be_worse_departs_at_its_rung(worse: str, precision: str) -> None:
    change, rung = CHANGES[worse]

    result = parity(change, precision)

    assert result.first_departure == rung
    names = ["pixels", "heads", "boxes", "ap"]
    assert [one.name for one in result.rungs] == names
    assert [bool(one.outside) for one in result.rungs][: names.index(rung) + 1] == [False] * names.index(rung) + [True]


def test_the_same_cell_agrees_to_the_last_rung() -> None:
    result = parity(lambda i, one: one)

    assert result.first_departure is None
    assert result.sentence == (
        "Input pixels, raw heads, boxes and AP agree with the reference, within what fp32 allows."
    )
    assert figures(result, "heads")["top1_agreement"] == 1
    assert figures(result, "boxes") == {
        "cell_boxes": 300, "reference_boxes": 300, "mean_iou": 1, "class_flips": 0, "score_shift": 0, "unmatched": 0,
    }  # fmt: skip
    assert json.loads(json.dumps(asdict(result)))["images"] == IMAGES


def test_an_ap_that_the_boxes_do_not_explain_departs_last() -> None:
    result = parity(lambda i, one: one, ap=0.25)

    assert result.first_departure == "ap"
    assert result.sentence.startswith("Input pixels, raw heads and boxes agree with the reference, but AP departs")


@pytest.mark.parametrize(("share", "allowed"), [(1e-6, ["fp32", "fp16", "int8"]), (0.003, ["fp16", "int8"]),
                                                (0.12, ["int8"]), (0.5, [])])  # fmt: skip
def test_a_precision_may_be_off_by_as_much_as_its_kind_is(share: float, allowed: list[str]) -> None:
    for precision in ("fp32", "fp16", "int8"):
        ladder = Ladder(precision)
        for image_id in (1, 2):
            heads = heads_of(image_id)
            found = detections_of(heads, [(640, 480)], DECODING)[0]
            reference = ImageTrace("same", heads, found)
            ladder.add(image_id, ImageTrace("same", noisy(heads, share), found), reference)
        assert (ladder.result().first_departure is None) == (precision in allowed)


def test_real_int8_detections_are_within_int8_and_not_within_fp32() -> None:
    ids = [image.id for image in real_truth().images]
    fp32 = found_by_image(Detections.of(real_detections("tensorflow/fp32")), ids)
    int8 = found_by_image(Detections.of(real_detections("tflite/int8")), ids)
    departures = {}
    for precision in ("fp32", "fp16", "int8"):
        ladder = Ladder(precision)
        for image_id in ids:
            ladder.add(image_id, ImageTrace("same", None, int8[image_id]), ImageTrace("same", None, fp32[image_id]))
        departures[precision] = ladder.result().first_departure

    assert departures == {"fp32": "boxes", "fp16": "boxes", "int8": None}


def test_without_heads_and_ground_truth_there_are_two_rungs() -> None:
    reference = replace(seen(pixels_of(1), heads_of(1)), heads=None)
    ladder = Ladder("fp32")
    ladder.add(1, with_found(reference, lambda found: kept(found, slice(10))), reference)

    result = ladder.result()

    assert [rung.name for rung in result.rungs] == ["pixels", "boxes"]
    assert result.sentence == (
        "Input pixels agree with the reference, but the boxes depart: share of boxes without a partner 0.818, beyond "
        "0.005. Look at thresholds, the number of boxes, non-maximum suppression and class ids."
    )


def test_the_first_image_with_other_pixels_is_named() -> None:
    result = parity(lambda i, one: one if i == 1 else replace(one, pixels="other"))

    assert result.sentence.startswith("The input pixels differ in 2 of 3 images, first in image 2.")


def test_errors_of_heads_are_those_of_all_images_together() -> None:
    ladder = Ladder("int8")
    pairs = []
    for image_id in range(1, 5):
        reference = heads_of(image_id)
        cell = noisy(reference, 0.1 * image_id, seed=image_id)
        pairs.append((cell, reference))
        found = detections_of(reference, [(640, 480)], DECODING)[0]
        ladder.add(image_id, ImageTrace("", cell, found), ImageTrace("", reference, found))

    measured = figures(ladder.result(), "heads")

    ours = np.concatenate([cell.scores[0, :, 1:] for cell, _ in pairs]).astype(np.float64)
    theirs = np.concatenate([reference.scores[0, :, 1:] for _, reference in pairs]).astype(np.float64)
    confident = theirs.max(axis=1) > 0.3
    norm = np.linalg.norm
    assert measured["scores_max_abs"] == pytest.approx(np.abs(ours - theirs).max())
    assert measured["scores_relative"] == pytest.approx(norm(ours - theirs) / norm(theirs))
    assert measured["scores_cosine"] == pytest.approx((ours * theirs).sum() / norm(ours) / norm(theirs))
    assert measured["confident_anchors"] == confident.sum() > 10
    assert measured["top1_agreement"] == pytest.approx((ours.argmax(1) == theirs.argmax(1))[confident].mean())
    both = [np.concatenate([pair[side].encodings.ravel() for pair in pairs]).astype(np.float64) for side in (0, 1)]
    assert measured["encodings_relative"] == pytest.approx(norm(both[0] - both[1]) / norm(both[1]))


def boxes_found(*rows: tuple[int, float, tuple[float, float, float, float]]) -> Found:
    return Found(
        np.array([class_id for class_id, _, _ in rows], np.int64),
        np.array([score for _, score, _ in rows], np.float32),
        np.array([box for _, _, box in rows], np.float64).reshape(-1, 4),
    )


def test_boxes_are_matched_by_place_and_then_by_class() -> None:
    reference = boxes_found((1, 0.75, (0, 0, 100, 100)), (2, 0.5, (0, 0, 100, 100)), (3, 0.25, (300, 0, 50, 50)))
    cell = boxes_found((2, 0.75, (0, 0, 100, 80)), (1, 0.5, (0, 0, 100, 80)), (7, 0.25, (300, 0, 50, 50)),
                       (7, 0.25, (500, 0, 50, 50)))  # fmt: skip
    ladder = Ladder("fp32")
    ladder.add(1, ImageTrace("", None, cell), ImageTrace("", None, reference))

    assert figures(ladder.result(), "boxes") == pytest.approx(
        {
            "cell_boxes": 4,
            "reference_boxes": 3,
            "mean_iou": (0.8 + 0.8 + 1) / 3,
            "class_flips": 1 / 3,  # the third box; the first two are the same two classes in the same place
            "score_shift": 0,
            "unmatched": 1 / 7,
        }
    )


def test_a_cell_without_any_box_has_no_overlap_to_tell_of() -> None:
    ladder = Ladder("int8")
    reference = seen(pixels_of(1), heads_of(1))
    ladder.add(1, with_found(reference, lambda found: kept(found, slice(0))), reference)

    result = ladder.result()

    assert result.first_departure == "boxes"
    assert (figures(result, "boxes")["mean_iou"], figures(result, "boxes")["unmatched"]) == (None, 1)


def test_what_cannot_be_compared_is_refused() -> None:
    reference = seen(pixels_of(1), heads_of(1))
    other = Heads(np.zeros((1, 10, 4), np.float32), np.zeros((1, 10, 91), np.float32))

    with pytest.raises(UserError, match="one model and protocol"):
        Ladder("fp32").add(1, replace(reference, heads=other), reference)
    with pytest.raises(UserError, match="precision 'int4'"):
        Ladder("int4")


def test_tolerances_never_tighten_with_a_coarser_precision() -> None:
    for tolerance in TOLERANCES:
        limits = [limit for limit in (tolerance.fp32, tolerance.fp16, tolerance.int8) if limit is not None]
        assert limits == sorted(limits, reverse=tolerance.least), tolerance.figure
