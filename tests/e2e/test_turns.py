"""Timing in turns with real runtimes: equal cells are equal, and busy loops on all cores change no speed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ssdbench.catalog.timing_setting import Setting
from ssdbench.coco.image_list import read_image_list
from ssdbench.images.pixels import read_image
from ssdbench.jobs.limited_process import Limits
from ssdbench.machine.cores import choose_cores
from ssdbench.timing.prepare_cell import cell_work
from ssdbench.timing.round_file import speeds, turns_of
from ssdbench.timing.speeds import Speed
from ssdbench.timing.table_round import RoundPlan, time_table
from support.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.full]

NMS = {"score": 1e-8, "iou": 0.6, "max": 100}
# framework, precision, whose file it runs
TFLITE = ("tflite", "fp32", "tflite")
CELLS = {
    "reference": TFLITE,
    "onnxruntime": ("onnxruntime", "fp32", "onnxruntime"),
    "int8": ("onnxruntime", "int8", "onnxruntime"),
}


def measured(project: Project, cells: Mapping[str, tuple[str, str, str]], **how: float) -> dict[str, Speed]:
    """What `measure` gives in a process of its own, as a job has one: cells are forked, and threads are not."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, project, dict(cells), how).result()


def measure(project: Project, cells: Mapping[str, tuple[str, str, str]], how: Mapping[str, float]) -> dict[str, Speed]:
    """The speeds that three rounds of these cells give, relative to the first; all from the samples of one run.

    how: `confidence` and `between_runs` of `speeds`.
    """
    images = read_image_list(project.folder / "results/sample/images.json")
    folder = project.folder / images.folder
    pixels = [(record, read_image(folder / record.file_name)) for record in images.images[:16]]
    cores = choose_cores(1)
    works = {
        name: cell_work(card(project, precision, maker), framework, precision, "heads", NMS, pixels, Setting(), cores)
        for name, (framework, precision, maker) in cells.items()
    }
    rounds = []
    for seed in range(3):
        plan = RoundPlan(6.0, 1e-9, cores, Limits(memory_mb=None, seconds=600), memory_mb=1e9, seed=seed)
        rounds.append(turns_of(time_table(works, 1, [], plan)))
    assert all(set(one.cells) == set(cells) for one in rounds)
    return speeds(rounds, next(iter(cells)), "network", **how)


def card(project: Project, precision: str, maker: str) -> Path:
    folder = project.folder / "resources/models/ssdlite_mobilenet_v2/artifacts/heads" / maker
    found = [one for one in folder.iterdir() if one.name == precision or one.name.startswith(f"{precision}-sample-")]
    return max(found, key=lambda one: one.stat().st_mtime) / "card.json"


def spin() -> None:
    while True:
        pass


@contextmanager
def busy_loops() -> Iterator[None]:
    """One on each core."""
    context = multiprocessing.get_context("fork")
    loops = [context.Process(target=spin, daemon=True) for _ in range(os.cpu_count() or 1)]
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()


def test_the_same_cell_under_two_names_is_as_fast_as_itself(project: Project) -> None:
    found = measured(project, {"one": TFLITE, "other": TFLITE}, confidence=0.999, between_runs=0)
    print(found)
    assert found["other"].holds_one


def test_busy_loops_on_all_cores_change_no_speed(project: Project) -> None:
    quiet = measured(project, CELLS)
    with busy_loops():
        busy = measured(project, CELLS)
    print(quiet, busy)
    for name in ("onnxruntime", "int8"):
        assert quiet[name].low <= busy[name].high and busy[name].low <= quiet[name].high
