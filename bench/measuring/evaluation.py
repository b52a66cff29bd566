"""Loading and evaluating detections, against pycocotools on the same files."""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from measuring.table import Measurement, at_least, holds
from measuring.workers import Result, Work, in_turn
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import Detection, read_detections, write_detections
from ssdbench.coco.metric_names import METRICS
from ssdbench.evaluation.coco_metrics import coco_metrics
from ssdbench.files.writing import write_json

LOAD_BAR, EVALUATE_BAR, EQUAL = 2, 8, 1e-9
_CATEGORIES, _PER_IMAGE = 80, 100
_OBJECTS = 7.36  # of an image on average, in val2017
_WIDTH, _HEIGHT = 640, 480
_CLASS_METRICS = ("AP", "AP50", "APsmall", "APmedium", "APlarge")


@dataclass(frozen=True)
class Case:
    """Invented annotations and detections in files, in so many images."""

    annotations: Path
    detections: Path
    images: int


def write_case(folder: Path, images: int, seed: int = 0) -> Case:
    """Invent objects and 100 detections an image, much as a detector makes them, the same for the same numbers.

    Objects: about 7.4 an image, classes and sizes skewed, a hundredth of them crowds, with outlines as COCO has them.
    Detections: several near each object, most of its class, moved and scaled by chance, better ones with higher scores;
    the rest anywhere, with low scores.
    """
    random = np.random.default_rng(seed)
    shares = 1 / np.arange(1, _CATEGORIES + 1) ** 0.8
    shares /= shares.sum()
    objects: list[dict[str, Any]] = []
    rows: list[Detection] = []
    for image in range(1, images + 1):
        number = int(random.poisson(_OBJECTS))
        boxes, classes = _boxes(random, number), random.choice(_CATEGORIES, number, p=shares) + 1
        for box, category in zip(boxes.tolist(), classes.tolist(), strict=True):
            objects.append(_object(random, len(objects) + 1, image, category, box))
        rows += _detections(random, image, boxes, classes, shares)
    case = Case(folder / f"annotations-{images}.json", folder / f"detections-{images}.json", images)
    names = [{"id": number, "name": f"class {number}"} for number in range(1, _CATEGORIES + 1)]
    listed = [
        {"id": image, "file_name": f"{image:012d}.jpg", "width": _WIDTH, "height": _HEIGHT}
        for image in range(1, images + 1)
    ]
    write_json(case.annotations, {"images": listed, "categories": names, "annotations": objects}, indent=None)
    write_detections(case.detections, rows)
    return case


def measure_evaluation(case: Case, rounds: int) -> Measurement:
    """Load and evaluate the case's files with this project's code and with pycocotools, in turn."""
    results = in_turn({"ours": (_ours, case), "pycocotools": (_theirs, case)}, rounds)
    ours, theirs = results["ours"], results["pycocotools"]

    def ratio(key: str) -> float:
        return float(median(result[key] for result in theirs) / median(result[key] for result in ours))

    worst = [_difference(ours[0][key], theirs[0][key]) for key in ("metrics", "per_class")]
    times = {
        name: [{key: result[key] for key in ("load", "evaluate")} for result in of] for name, of in results.items()
    }
    return Measurement(
        "Evaluation against pycocotools",
        f"{case.images} images with {_PER_IMAGE} detections each and about {_OBJECTS:g} objects, invented with a fixed "
        f"seed, read from the same two files; {rounds} rounds. Loading: both files, checked and indexed. Evaluating: "
        "matching, accumulating and the twelve metrics with the table of the classes.",
        [
            at_least("loading, times faster", ratio("load"), LOAD_BAR),
            at_least("evaluating and accumulating, times faster", ratio("evaluate"), EVALUATE_BAR),
            holds(f"the twelve metrics, to {EQUAL:g}", worst[0] <= EQUAL, f"they differ by {worst[0]:.3g}"),
            holds(
                f"the table of {_CATEGORIES} classes, to {EQUAL:g}", worst[1] <= EQUAL, f"it differs by {worst[1]:.3g}"
            ),
        ],
        {"times": times, "largest_difference": dict(zip(("metrics", "per_class"), worst, strict=True))},
    )


def evaluation_of(case: Case) -> Work:
    """The work: this project's evaluation, {load, evaluate, metrics, per_class}."""

    def work() -> Result:
        start = time.perf_counter()
        truth, found = read_annotations(case.annotations), read_detections(case.detections)
        loaded = time.perf_counter()
        measured = coco_metrics(truth, found, range(1, case.images + 1))
        return {
            "load": loaded - start,
            "evaluate": time.perf_counter() - loaded,
            "metrics": [measured.metrics[name] for name in METRICS],
            "per_class": [[row[name] for name in _CLASS_METRICS] for row in measured.per_class],
        }

    return work


_ours = evaluation_of


def _theirs(case: Case) -> Work:
    """The same with pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def work() -> Result:
        with contextlib.redirect_stdout(io.StringIO()):
            start = time.perf_counter()
            truth = COCO(str(case.annotations))
            found = truth.loadRes(str(case.detections))
            loaded = time.perf_counter()
            evaluator = COCOeval(truth, found, "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            seconds = time.perf_counter() - loaded
            evaluator.summarize()
        best = evaluator.eval["precision"][..., -1]  # [IoU threshold, recall, category, size]
        tables = [best[..., 0], best[:1, ..., 0], *(best[..., size] for size in (1, 2, 3))]
        return {
            "load": loaded - start,
            "evaluate": seconds,
            "metrics": [_known(value) for value in evaluator.stats],
            "per_class": [
                [_known(table[:, :, category].mean()) for table in tables] for category in range(_CATEGORIES)
            ],
        }

    return work


def _known(value: float) -> float | None:
    return None if value < 0 else float(value)


def _difference(ours: Any, theirs: Any) -> float:
    """The largest difference of two equally nested lists; infinite where one has a number and the other none."""
    if isinstance(ours, list):
        return max(_difference(one, other) for one, other in zip(ours, theirs, strict=True))
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else float("inf")
    return abs(float(ours) - float(theirs))


def _boxes(random: np.random.Generator, number: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Boxes float64 [number, 4], x y w h, of many small and few large objects inside the image."""
    side = np.exp(random.normal(np.log(60), 0.9, (number, 2))).clip(6, [_WIDTH, _HEIGHT])
    place = random.random((number, 2)) * ([_WIDTH, _HEIGHT] - side)
    return np.concatenate([place, side], axis=1).round(2)


def _object(random: np.random.Generator, number: int, image: int, category: int, box: list[float]) -> dict[str, Any]:
    x, y, width, height = box
    points = random.random((20, 2)) * [width, height] + [x, y]
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "area": round(width * height * float(random.uniform(0.4, 0.9)), 4),
        "iscrowd": int(random.random() < 0.01),
        "segmentation": [points.round(2).ravel().tolist()],
    }


def _detections(random: np.random.Generator, image: int, boxes: Any, classes: Any, shares: Any) -> list[Detection]:
    near = min(6 * len(boxes), _PER_IMAGE - 20) if len(boxes) else 0
    origin = np.arange(near) % max(len(boxes), 1)
    moved = np.exp(random.normal(0, 0.7, near)) * 0.08  # how far off each is, as a share of its object
    found = boxes[origin]
    found = found + random.normal(0, 1, found.shape) * np.tile(found[:, 2:], 2) * moved[:, None]
    own = np.where(random.random(near) < 0.85, classes[origin], random.choice(_CATEGORIES, near, p=shares) + 1)
    rest = _PER_IMAGE - near
    box = np.concatenate([found, _boxes(random, rest)])
    box[:, 2:] = box[:, 2:].clip(1)
    category = np.concatenate([own, random.choice(_CATEGORIES, rest, p=shares) + 1])
    score = np.concatenate([random.beta(1, 2, near) * np.exp(-4 * moved), random.beta(0.4, 12, rest)])
    order = np.argsort(-score)
    columns = zip(category[order].tolist(), box[order].tolist(), score[order].tolist(), strict=True)
    return [Detection(image, class_id, (x, y, w, h), value) for class_id, (x, y, w, h), value in columns]
