"""Loops that users of the runtimes write, as cells in the same turns as this project's: is the network as fast here?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from measuring.cells import Target
from measuring.table import Measurement, Row
from ssdbench.arrays import UInt8
from ssdbench.catalog.timing_setting import Setting
from ssdbench.images.pixels import read_image, resize_image
from ssdbench.jobs.limited_process import Limits
from ssdbench.machine.cores import choose_cores
from ssdbench.machine.host import limit_pools
from ssdbench.timing.cell_turns import CellWork, Images, OpenCell
from ssdbench.timing.prepare_cell import cell_work
from ssdbench.timing.round_file import speeds, turns_of
from ssdbench.timing.speeds import Speed
from ssdbench.timing.table_round import RoundPlan, time_table

AGREE = 0.05
_SETTING = Setting(batch=1, threads=1, streams=1)
_IMAGES = 64
_BARE = "bare loop, "


@dataclass
class _BareSession:
    """A runtime called as its own documentation does it. run_network: from pixels uint8 [N, H, W, 3] to its outputs."""

    run_network: Callable[[UInt8], Any]
    threads: int = 1

    def infer(self, pixels: UInt8) -> Any:
        return self.run_network(pixels)

    run = infer

    def facts(self) -> dict[str, Any]:
        return {}


def measure_runtimes(targets: Sequence[Target], rounds: int, seconds: float) -> Measurement:
    """Time each target and a bare loop around the same file, all in turns, and compare each pair."""
    names = [target.name for target in targets]
    works = {target.name: own_work(target) for target in targets}
    works |= {_BARE + target.name: _bare_work(target) for target in targets}
    measured = timed_in_turns(works, rounds, seconds)
    turns = [turns_of(one) for one in measured]
    found = {name: speeds(turns, name, "network", between_runs=0)[_BARE + name] for name in names}
    return Measurement(
        "Bare loops in the same turns",
        f"ONNX Runtime's and LiteRT's own calls around the same files, on one thread, {rounds} rounds of fresh "
        f"processes with at most {seconds:g} s for each cell. A row is the speed of the bare loop relative to this "
        f"project's call of the network. They agree if the interval holds 1 or they differ by under {AGREE:.0%}.",
        [agreement(f"{name}: bare loop / ours, speed of the network", speed) for name, speed in found.items()],
        {"speeds": {name: vars(speed) for name, speed in found.items()}, "load": [one["load"] for one in measured]},
    )


def own_work(target: Target) -> CellWork:
    """This project's cell, as a round of a run times it."""
    return cell_work(
        target.artifact.parent / "card.json",
        target.framework,
        target.precision,
        "heads",
        target.nms,
        _images(target),
        _SETTING,
        choose_cores(1),
        target.images.categories,
    )


def timed_in_turns(works: Mapping[str, CellWork], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Rounds of turns of these cells."""
    return [
        time_table(
            works,
            1,
            [],
            RoundPlan(
                seconds=seconds,
                width=0.0,  # all the seconds are used
                cores=choose_cores(1),
                limits=Limits(None, 600 + 4 * seconds * len(works)),
                memory_mb=psutil.virtual_memory().available / 2**20,
                seed=number,
            ),
        )
        for number in range(rounds)
    ]


def agreement(what: str, speed: Speed, other: Speed | None = None) -> Row:
    """A row on two speeds, or one and 1, that should be alike: their intervals overlap, or they differ by under 5 %."""
    low, high, expected = (other.low, other.high, other.speed) if other else (1.0, 1.0, 1.0)
    ratio = speed.speed / expected
    overlap = speed.low <= high and low <= speed.high
    reached = overlap or abs(ratio - 1) < AGREE
    why = f"interval {speed.low / expected:.3f} to {speed.high / expected:.3f}"
    return Row(what, ratio, f"within the intervals or {AGREE:.0%}", reached, why)


def _images(target: Target) -> Images:
    records = target.images.images[:_IMAGES]
    return [(record, read_image(target.images.folder / record.file_name, record.sha256)) for record in records]


def _bare_work(target: Target) -> CellWork:
    """The bare loop as a cell; images are decoded and resized as in ours, so that caches hold the same."""
    open_runtime = {"onnxruntime": _onnx_runtime, "tflite": _lite_rt}[target.framework]

    def prepare() -> Callable[[], OpenCell]:
        limit_pools(1)

        def load() -> OpenCell:
            session: Any = _BareSession(open_runtime(target.artifact))
            return OpenCell(
                [session],
                lambda image: resize_image(image, target.size, target.channel_order),
                lambda output, records: output,
            )

        return load

    return CellWork(prepare, _images(target), 1, choose_cores(1))


def _onnx_runtime(path: Path) -> Callable[[UInt8], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (name,) = [one.name for one in session.get_inputs()]
    return lambda pixels: session.run(None, {name: pixels})


def _lite_rt(path: Path) -> Callable[[UInt8], Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    (given,) = interpreter.get_input_details()
    outputs = [one["index"] for one in interpreter.get_output_details()]

    def run(pixels: UInt8) -> list[Any]:
        interpreter.set_tensor(given["index"], pixels)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return run
