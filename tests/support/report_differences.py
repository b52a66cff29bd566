"""Made-up records of what the sections on differences show: ladders, diagnoses, errors and parts of a cell."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from ssdbench.boxes.decoding import Found
from ssdbench.boxes.outputs import Heads
from ssdbench.diagnosis.parity import ImageTrace, Ladder
from ssdbench.evaluation.tide import ERRORS

OK = {"status": "ok", "reason": "", "log": ""}
NOTHING = dict.fromkeys(("comparison", "parity", "errors", "diagnosis", "parts", "expected"))
_ANCHORS = 40


def make_parity(
    precision: str = "fp32",
    *,
    pixels: int = 0,
    heads: float | None = 0.0,
    boxes: float = 0.0,
    ap: float | None = 0.0,
    worst: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A ladder over ten images. pixels: how many are fed otherwise. heads: their relative error, None for no heads.
    boxes: by how much scores are shifted. ap: its change, None without ground truth."""
    ladder = Ladder(precision)
    for image_id in range(1, 11):
        random = np.random.default_rng(image_id)
        scores = random.uniform(0, 1, (_ANCHORS, 4)).astype(np.float32)
        true = Heads(random.normal(0, 1, (_ANCHORS, 4)).astype(np.float32), scores)
        off = true if heads is None else Heads(true.encodings * (1 + heads), true.scores * (1 + heads))
        corners = np.array([[0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 20.0, 20.0]])
        found = Found(np.array([1, 2]), np.array([0.9, 0.4], np.float32), corners)
        shifted = Found(found.class_ids, found.scores + np.float32(boxes), corners)
        ladder.add(
            image_id,
            ImageTrace("other" if image_id <= pixels else "same", None if heads is None else off, shifted),
            ImageTrace("same", None if heads is None else true, found),
        )
    result = ladder.result(None if ap is None else 0.3 + ap, None if ap is None else 0.3)
    reference = {"framework": "tensorflow", "precision": "fp32"}
    ordered_by = "disagreement" if ap is None else "loss"
    return {**OK, "reference": reference, **asdict(result), "ordered_by": ordered_by, "worst": worst or []}


def make_diagnosis(asked: str = "reference", looks_like: str = "BGR: red and blue are swapped") -> dict[str, Any]:
    """A diagnosis that found one cause of two."""
    trials = [
        {"name": "bgr", "looks_like": looks_like, "gap": 0.01, "explained": 0.97},
        {"name": "ten", "looks_like": "ten detections an image", "gap": 0.7, "explained": -0.4},
    ]
    found = {"causes": ["bgr"], "sentence": f"Looks like {looks_like}.", "images": 24, "gap": 0.6, "trials": trials}
    return {**OK, "asked": asked, **found} if asked else {**OK, "asked": "", "sentence": "", "causes": [], "trials": []}


def make_errors(**costs: float) -> dict[str, Any]:
    """TIDE errors; costs by kind, 0.01 for those not named. `cost` is another number than `cost_in_order`."""
    in_order = {kind: costs.get(kind, 0.01) for kind in ERRORS}
    counts = {kind: 1000 + number for number, kind in enumerate(ERRORS)}
    return {"ap50": 0.46, "cost": dict.fromkeys(ERRORS, 0.5), "cost_in_order": in_order, "counts": counts}


def make_parts(low: float = 0.01, high: float = 0.05, name: str = "minival.txt") -> dict[str, Any]:
    """AP on 30 held-out and 100 seen images."""
    gap = {"difference": (low + high) / 2, "low": low, "high": high}
    parts = {"held_out": {"images": 30, "AP": 0.28}, "seen": {"images": 100, "AP": 0.31}, "gap": gap}
    return {**OK, "list": {"name": name, "sha256": "ab" * 32}, **parts}
