"""COCO's detection metrics, by pycocotools."""

from __future__ import annotations

import contextlib
import io
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssdbench.coco import Annotation, Annotations, Detection, read_annotations, read_detections
from ssdbench.errors import UserError
from ssdbench.tide import tide_errors

_LOG = logging.getLogger(__name__)

# The order of COCOeval.stats.
METRICS = (
    "AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge",
    "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge",
)  # fmt: skip


def evaluate(annotations: Path, detections: Path, image_ids: Sequence[int]) -> dict[str, Any]:
    """The metrics of one detections file over the images of an image list, found and missed alike.

    Args:
        annotations: a COCO instances file.
        detections: a COCO results file of these images.
        image_ids: the images that count; the annotations of others are left out.

    Returns:
        metrics: name -> value, COCO's twelve in its order; None where there is nothing to measure, such as
            APlarge without large objects.
        per_class: for each category of the file its category_id, name, truths (objects that are no crowd, in
            these images) and AP, AP50, APsmall, APmedium, APlarge; None where there is no such object.
        errors: `tide.TideErrors` as a dictionary.
        images, detections: how many. notes: sentences on what is unusual.

    Raises:
        UserError: a file cannot be used, or the files do not belong to these images.
    """
    truth = read_annotations(annotations)
    found = list(read_detections(detections))
    wanted = set(image_ids)
    if missing := wanted - {image.id for image in truth.images}:
        raise UserError(
            f"{annotations} does not have the image {min(missing)} of the image list. "
            "Give the annotations that the list was made from."
        )
    if foreign := {row.image_id for row in found} - wanted:
        raise UserError(
            f"{detections} has detections in image {min(foreign)}, which is not in the image list. "
            "Detect the objects in the listed images again."
        )
    objects = [annotation for annotation in truth.annotations if annotation.image_id in wanted]
    evaluator = _evaluated(truth, objects, found, sorted(wanted))
    truths = Counter(annotation.category_id for annotation in objects if not annotation.iscrowd)
    precision = evaluator.eval["precision"]
    return {
        "metrics": {name: _known(value) for name, value in zip(METRICS, evaluator.stats, strict=True)},
        "per_class": [
            {
                "category_id": category.id,
                "name": category.name,
                "truths": truths[category.id],
                **_class_metrics(precision[:, :, evaluator.params.catIds.index(category.id)]),
            }
            for category in truth.categories
        ],
        "errors": asdict(tide_errors(truth, found, sorted(wanted))),
        "images": len(wanted),
        "detections": len(found),
        "notes": [*truth.notes, *_notes(found, {category.id for category in truth.categories})],
    }


def _evaluated(
    truth: Annotations, objects: Sequence[Annotation], found: Sequence[Detection], image_ids: Sequence[int]
) -> Any:
    """A COCOeval that has evaluated, accumulated and summarised."""
    from pycocotools.cocoeval import COCOeval

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        evaluator = COCOeval(
            _index(truth, image_ids, map(_truth_row, objects)),
            _index(truth, image_ids, map(_found_row, found)),
            "bbox",
        )
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    _LOG.info("pycocotools:\n%s", printed.getvalue().rstrip())
    return evaluator


def _index(truth: Annotations, image_ids: Sequence[int], rows: Iterable[dict[str, Any]]) -> Any:
    """A pycocotools COCO over the given rows.

    Rows are numbered from 1: COCOeval takes a true object with the id 0 for "no match". `COCO.loadRes` is not
    used because it fails on an empty list.
    """
    from pycocotools.coco import COCO

    index = COCO()
    index.dataset = {
        "images": [{"id": image_id} for image_id in image_ids],
        "categories": [asdict(category) for category in truth.categories],
        "annotations": [{"id": number, **row} for number, row in enumerate(rows, start=1)],
    }
    index.createIndex()
    return index


def _truth_row(annotation: Annotation) -> dict[str, Any]:
    return {
        "image_id": annotation.image_id,
        "category_id": annotation.category_id,
        "bbox": list(annotation.bbox),
        "area": annotation.area,
        "iscrowd": int(annotation.iscrowd),
    }


def _found_row(detection: Detection) -> dict[str, Any]:
    _, _, width, height = detection.bbox
    return {
        "image_id": detection.image_id,
        "category_id": detection.category_id,
        "bbox": list(detection.bbox),
        "area": width * height,
        "iscrowd": 0,
        "score": detection.score,
    }


def _class_metrics(precision: NDArray[np.float64]) -> dict[str, float | None]:
    """Metrics of one category from its precision [IoU threshold, recall, size, most detections per image]."""
    best = precision[..., -1]
    of = {
        "AP": best[:, :, 0],
        "AP50": best[0, :, 0],
        "APsmall": best[:, :, 1],
        "APmedium": best[:, :, 2],
        "APlarge": best[:, :, 3],
    }
    return {name: _known(values.mean()) for name, values in of.items()}


def _known(value: float) -> float | None:
    """A metric, or None for pycocotools' -1: there was nothing to find."""
    return None if value < 0 else float(value)


def _notes(found: Sequence[Detection], category_ids: Collection[int]) -> list[str]:
    notes = []
    if not found:
        notes.append("There is not one detection, so every metric is 0.")
    unknown = Counter(row.category_id for row in found if row.category_id not in category_ids)
    if unknown:
        ids = ", ".join(map(str, sorted(unknown)))
        notes.append(
            f"{unknown.total()} of {len(found)} detections do not count, because the annotations do not have "
            f"their categories: {ids}."
        )
    return notes
