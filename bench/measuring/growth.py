"""Whether time per image and peak memory stay flat while the images become more, and when they are cut in shards."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from measuring.accuracy import accuracy_pass
from measuring.cells import Target
from measuring.evaluation import Case, evaluation_of, write_case
from measuring.table import Measurement, Row, at_most
from measuring.workers import Result, Work, once
from ssdbench.machine.host import peak_rss_mb

BAR = 1.1
_MORE = "a fixed cost per run would make this fall; it rose"


def measure_growth(target: Target, cores: int, counts: Sequence[int], folder: Path, rounds: int) -> Measurement:
    """The accuracy pass of one cell and the evaluation, over more and more images, each in a fresh process."""
    passes = {
        **{f"{count} images": [count] for count in counts},
        f"{counts[-1]} images in 2 shards": [counts[-1] // 2] * 2,
    }
    raw: dict[str, dict[str, list[Result]]] = {
        "accuracy pass": {name: [] for name in passes},
        "evaluation": {f"{count} images": [] for count in counts},
    }
    cases = [write_case(folder, count) for count in counts]
    for _ in range(rounds):
        for name, shards in passes.items():
            results = [once(accuracy_pass, target, cores, count) for count in shards]
            raw["accuracy pass"][name].append(
                {
                    "seconds_per_image": sum(result["seconds"] for result in results) / sum(shards),
                    "peak_mb": max(result["peak_mb"] for result in results),
                }
            )
        for case in cases:
            raw["evaluation"][f"{case.images} images"].append(once(_evaluation_and_peak, case))
    rows: list[Row] = []
    for step, by_size in raw.items():
        names = list(by_size)
        for smaller, larger in pairwise(names):
            for key, words in (("seconds_per_image", "time per image"), ("peak_mb", "peak memory")):
                of = {name: median(result[key] for result in by_size[name]) for name in (smaller, larger)}
                what = f"{step}, {words}: {larger} / {smaller}"
                rows.append(at_most(what, of[larger] / of[smaller], BAR, _why(step, key)))
    return Measurement(
        "Growth",
        f"The accuracy pass of {target.name} over real images, repeated under other ids, and the evaluation of "
        "invented detections, 100 an image; each size in a fresh process. Flat means that a larger size takes at most "
        "1.1 times as much an image, or as much memory, as the one before.",
        rows,
        raw,
    )


def _why(step: str, key: str) -> str:
    if key == "peak_mb" and step == "evaluation":
        return "the columns of all detections and objects are held at once, and they grow with the images"
    return "what is kept for each image (hashes, rows) grows with the images" if key == "peak_mb" else _MORE


def _evaluation_and_peak(case: Case) -> Work:
    work = evaluation_of(case)

    def measured() -> Result:
        result = work()
        return {"seconds_per_image": (result["load"] + result["evaluate"]) / case.images, "peak_mb": peak_rss_mb()}

    return measured
