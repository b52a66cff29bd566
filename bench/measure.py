"""Measure this project against its bars: `make bench`. Writes RESULTS.md and results.json beside this file."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from measuring.accuracy import measure_accuracy
from measuring.benchmark_app import measure_benchmark_app
from measuring.bootstrap import measure_bootstrap
from measuring.boxes import measure_boxes
from measuring.cells import Target, prepare
from measuring.evaluation import measure_evaluation, write_case
from measuring.growth import measure_growth
from measuring.overhead import measure_overhead
from measuring.peer_evaluators import measure_evaluators, peers_python
from measuring.peer_runtimes import measure_runtimes
from measuring.speeds import measure_speeds
from measuring.table import Entry, Measurement, page
from ssdbench.catalog.plain import from_plain
from ssdbench.errors import exit_code
from ssdbench.files.reading import read_json
from ssdbench.files.writing import write_json, write_text
from ssdbench.machine.host import available_cores, host_facts, limit_pools

QUICK_MATRIX = {"frameworks": ["tflite"], "precisions": ["fp32"], "timing": {"rounds": 1, "seconds": 0.1}}
HERE = Path(__file__).resolve().parent
PARTS = ("accuracy", "boxes", "evaluation", "bootstrap", "overhead", "speeds", "growth")
PEER_PARTS = ("evaluators", "runtimes", "benchmark_app")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help=f"parts to measure, joined by commas: {', '.join((*PARTS, *PEER_PARTS))}"
    )
    parser.add_argument("--peers", action="store_true", help="measure other projects beside this one, too")
    parser.add_argument("--cells", default="", help='cells of the accuracy pass, such as "tflite fp32,tflite int8"')
    parser.add_argument("--quick", action="store_true", help="few images and rounds: to see that it works")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for RESULTS.md and results.json")
    arguments = parser.parse_args()
    every = (*PARTS, *PEER_PARTS)
    arguments.only = arguments.only.split(",") if arguments.only else every if arguments.peers else PARTS
    if unknown := set(arguments.only) - set(every):
        parser.error(f"--only {', '.join(sorted(unknown))}: give some of {', '.join(every)}")
    return arguments


def measure(arguments: argparse.Namespace, folder: Path) -> Iterator[Measurement]:
    """Each part that was asked for; what is being measured is said beforehand."""
    quick, cores = arguments.quick, int(available_cores())
    wanted = [name for name in arguments.cells.split(",") if name]

    def targets(names: list[str]) -> list[Target]:
        return prepare(wanted or names)

    for part in arguments.only:
        print(f"Measuring: {part}", file=sys.stderr, flush=True)
        if part == "accuracy":
            measured = measure_accuracy(targets([]), cores, images=48 if quick else 384, rounds=1 if quick else 3)
        elif part == "boxes":
            measured = measure_boxes(
                prepare(["onnxruntime fp32"])[0], images=16 if quick else 128, rounds=1 if quick else 8
            )
        elif part == "evaluation":
            case = write_case(folder, 60 if quick else 5000)
            measured = measure_evaluation(case, rounds=1 if quick else 3)
        elif part == "bootstrap":
            case = write_case(folder, 60 if quick else 5000)
            measured = measure_bootstrap(case, replicates=10 if quick else 1000, rounds=1 if quick else 3)
        elif part == "evaluators":
            python = peers_python(HERE / "peers.txt", HERE / ".peers")
            measured = measure_evaluators(write_case(folder, 60 if quick else 5000), python, rounds=1 if quick else 5)
        elif part == "runtimes":
            names = ["onnxruntime fp32", "onnxruntime int8", "tflite fp32", "tflite int8"]
            measured = measure_runtimes(prepare(names[2:3] if quick else names), *((1, 0.2) if quick else (3, 8)))
        elif part == "benchmark_app":
            found = {target.precision: target for target in prepare(["openvino fp32", "openvino int8"])}
            how = (2, 1, 0.2) if quick else (12, 3, 8)  # runs of each file, our rounds, seconds
            measured = measure_benchmark_app(found["fp32"], found["int8"], *how)
        elif part == "overhead":
            measured = measure_overhead(QUICK_MATRIX if quick else {})
        elif part == "speeds":
            measured = measure_speeds(QUICK_MATRIX if quick else {}, 2 if quick else 5, folder)
        else:
            counts = [20, 40] if quick else [100, 1000, 5000]
            target = targets(["tflite int8"])[0]
            measured = measure_growth(target, cores, counts, folder, rounds=1 if quick else 2)
        yield measured


def read_results(folder: Path) -> dict[str, Entry]:
    """What was measured before, by title."""
    if not (folder / "results.json").is_file():
        return {}
    return {one["measurement"]["title"]: from_plain(Entry, one) for one in read_json(folder / "results.json")}


def write_results(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the page and the raw figures."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "results.json", [asdict(one) for one in entries])
    write_text(folder / "RESULTS.md", page(entries))


def main() -> None:
    arguments = parse_arguments()
    limit_pools(1)  # the processes that measure inherit it
    host = host_facts()
    machine = f"{host['cores_available']} cores of {host['cpu']}, {host['memory_mb'] / 1024:.0f} GB, {host['os']}"
    command = " ".join(["bench/measure.py", *sys.argv[1:]])
    results = read_results(arguments.out)  # what is not measured now stays as it is
    now: list[Entry] = []
    with tempfile.TemporaryDirectory() as folder:
        for measurement in measure(arguments, Path(folder)):
            now.append(Entry(datetime.now(UTC).date().isoformat(), machine, command, measurement))
            results[measurement.title] = now[-1]
            write_results(arguments.out, list(results.values()))  # after each part: the next one may be cut off
    print(page(now))


if __name__ == "__main__":
    raise SystemExit(exit_code(main))
