"""One COCO evaluator on two files, in a process of its own; run by any Python that has it.

Arguments: the evaluator's name, the annotations, the detections. Prints as JSON {load, evaluate (seconds), peak_mb,
metrics (the twelve; -1 without objects)}.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

# Where those that follow pycocotools have COCO and COCOeval.
_MODULES = {
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval"),
    "hotcoco": ("hotcoco", "hotcoco"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools.coco", "ultrafast_pycocotools.cocoeval"),
    "faster-coco-eval": ("faster_coco_eval", "faster_coco_eval"),
}
_CLASSES = {"faster-coco-eval": "COCOeval_faster"}
# Loads both files, and returns what evaluates them.
Loader = Callable[[Path, Path], Callable[[], list[float]]]


def _ours() -> Loader:
    import pycocotools.cocoeval  # noqa: F401 - the others are imported before the clock starts, too

    from ssdbench.coco.annotations import read_annotations
    from ssdbench.coco.detections import read_detections
    from ssdbench.coco.metric_names import METRICS
    from ssdbench.evaluation.coco_metrics import coco_metrics

    def load(annotations: Path, detections: Path) -> Callable[[], list[float]]:
        truth, found = read_annotations(annotations), read_detections(detections)

        def evaluate() -> list[float]:
            metrics = coco_metrics(truth, found, [image.id for image in truth.images]).metrics
            return [-1.0 if (value := metrics[name]) is None else value for name in METRICS]

        return evaluate

    return load


def _vernier() -> Loader:
    vernier = import_module("vernier.instance")

    how = {"parity_mode": "strict", "max_dets": [1, 10, 100], "use_cats": True}

    def load(annotations: Path, detections: Path) -> Callable[[], list[float]]:
        truth = vernier.CocoDataset.from_json(annotations.read_bytes())
        found = detections.read_bytes()  # parsed later
        return lambda: list(vernier.evaluate_bbox_summary(truth, found, **how).stats)

    return load


def _like_pycocotools(coco: Any, evaluator_of: Any) -> Loader:
    def load(annotations: Path, detections: Path) -> Callable[[], list[float]]:
        truth = coco(str(annotations))
        found = truth.loadRes(str(detections))

        def evaluate() -> list[float]:
            evaluator = evaluator_of(truth, found, "bbox")
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
            return list(evaluator.stats)[:12]

        return evaluate

    return load


def loader(name: str) -> Loader:
    """How an evaluator loads and evaluates; it is imported here."""
    if name == "ours":
        return _ours()
    if name == "vernier":
        return _vernier()
    coco, evaluator = (import_module(module) for module in _MODULES[name])
    return _like_pycocotools(coco.COCO, getattr(evaluator, _CLASSES.get(name, "COCOeval")))


def main() -> None:
    name, annotations, detections = sys.argv[1:]
    load = loader(name)
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        evaluate = load(Path(annotations), Path(detections))
        loaded = time.perf_counter()
        metrics = evaluate()
        done = time.perf_counter()
    result = {
        "load": loaded - start,
        "evaluate": done - loaded,
        "peak_mb": _peak_mb(),
        "metrics": list(map(float, metrics)),
    }
    print(json.dumps(result))


def _peak_mb() -> int:
    """The most memory that this process has held, in MB.

    VmHWM (Linux) starts anew with each program. ru_maxrss (other systems) also counts the process that forked it.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return round(int(found[1]) / 1024)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)  # bytes on macOS


if __name__ == "__main__":
    main()
