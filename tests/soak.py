"""Hundreds of random kills and faults, and a table of what became of them. `make soak` starts this.

Each lane has a working copy with a tiny detector. A fault is `survived` where the runs went on to the right result by
themselves, `reported` where a run ended with exit code 1 and a sentence and the next one, after what the sentence asks
for, made it good, and `lost` where a result is another than that of an undisturbed run, a half file lay under its final
name, or nothing was said. Exit code 1 if one was lost.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "workflow/scripts")]

from ssdbench.catalog.registry import RemoteFile  # noqa: E402
from ssdbench.errors import UserError  # noqa: E402
from ssdbench.fetch.checksums import Checksums  # noqa: E402
from ssdbench.fetch.download import Patience, fetch  # noqa: E402
from ssdbench.machine.host import host_facts  # noqa: E402
from support.bad_models import BAD_MODELS, SOON, with_bad_cells, write_bad_model  # noqa: E402
from support.faults import VICTIMS, Chain, Run, Sound, accuracy_results  # noqa: E402
from support.project import Project  # noqa: E402
from support.server import Fault, FileServer  # noqa: E402
from support.small_disk import can_mount, small_disk  # noqa: E402
from support.tiny_project import CONFIG, tiny_project, write_registry  # noqa: E402

PATIENCE = Patience(attempts=3, backoff=0.01, connect=2.0, read=0.5)
KILLS_A_CHAIN = 8
CELLS = "results/local/tiny/heads"
ARTIFACTS = "resources/models/tiny/artifacts/heads"


@dataclass(frozen=True)
class Result:
    """What became of one fault."""

    fault: str
    outcome: str
    note: str = ""


@dataclass
class Lane:
    """A working copy in which the matrix has been made once, undisturbed."""

    project: Project
    expected: dict[str, bytes]
    sound: Sound

    def run(self, config: dict[str, Any] | None = None, *arguments: str) -> tuple[int, str]:
        run = Run(self.project, config or CONFIG, *arguments)
        return run.wait(), run.output

    def retry(self) -> tuple[int, str]:
        """What `make retry` does."""
        self.project.script("forget_failed.py", "--configfile", "test_config.yaml")
        return self.run()

    def is_right(self) -> str:
        """What is wrong with the results; "" if nothing is."""
        if accuracy_results(self.project) != self.expected:
            return "other results than undisturbed"
        return "; ".join(self.sound.faults())

    def forget(self, *folders: str) -> None:
        for folder in folders:
            shutil.rmtree(self.project.folder / folder, ignore_errors=True)


def kills(lane: Lane, rng: random.Random, count: int) -> list[Result]:
    """Kill Snakemake, jobs and children of jobs while the matrix is made anew, in whole or from the artifacts on."""
    victims, done = [rng.choice(VICTIMS) for _ in range(count)], []
    while len(done) < count:
        lane.forget(*rng.choice([["results"], ["results", ARTIFACTS], ["results"], ["results", "resources"]]))
        chain = Chain(lane.project, CONFIG, lane.expected, lane.sound)
        done += chain.go(victims[len(done) :], rng, pause=3)
    words = {"snakemake": "Snakemake", "job": "a job", "child": "a job's runtime"}
    return [Result(f"kill -9 of {words[kill.victim]}", kill.outcome, kill.note) for kill in done]


def spoilt_file(lane: Lane, rng: random.Random, count: int) -> list[Result]:
    """Cut a file short, or change a byte of one that is held to a hash; then do what the sentence says."""
    folder = lane.project.folder
    records = [
        *(folder / CELLS).rglob("*.json"),
        *(folder / CELLS).rglob("*.npz"),
        folder / "results/local/images.json",
    ]
    models = [*(folder / ARTIFACTS).rglob("model.*")]
    path = rng.choice(models if rng.random() < 0.4 else sorted(records))
    data = bytearray(path.read_bytes())
    if path in models and rng.random() < 0.5:
        what, place = "a byte changed in a model file", rng.randrange(len(data))
        data[place] ^= 1 << rng.randrange(8)
    else:
        what = "a file cut short"
        del data[rng.randrange(len(data)) :]
    path.write_bytes(data)
    if path in models:  # or nothing would read it
        lane.forget(f"{CELLS}/{path.parent.relative_to(folder / ARTIFACTS)}")
    code, output = lane.run()
    if code != 0:
        if path.name not in output and path.parent.name not in output:
            return [Result(what, "lost", f"{path.name} is not named: {output[-500:]}")]
        code, output = lane.retry()
        if code != 0:
            path.unlink(missing_ok=True)
            code, output = lane.retry()
        outcome = "reported"
    else:
        outcome = "survived"
        if lane.sound.faults():  # nothing that counts for a cell has read it; a retry finds it all the same
            code, output = lane.retry()
            outcome = "reported"
    if code != 0:
        return [Result(what, "lost", f"{path.name}: {output[-500:]}")]
    wrong = lane.is_right()
    return [Result(what, "lost" if wrong else outcome, wrong and f"{path.name}: {wrong}")]


def full_disk(lane: Lane, rng: random.Random, count: int) -> list[Result]:
    """Let the disk fill up under the results or the artifacts, then give room."""
    what = "disk full under a run"
    place = rng.choice(["results", ARTIFACTS])
    lane.forget("results", place)
    with small_disk(lane.project.folder / place, rng.randrange(4, 120)):
        code, output = lane.run()
        faults = lane.sound.faults()
    if faults:
        return [Result(what, "lost", "; ".join(faults))]
    if code == 0:
        outcome = "survived"
    elif "disk is full" in output:
        outcome = "reported"
    else:
        return [Result(what, "lost", f"not said: {output[-600:]}")]
    code, output = lane.run()
    if code != 0:
        code, output = lane.retry()
    wrong = lane.is_right() if code == 0 else output[-500:]
    return [Result(what, "lost" if wrong else outcome, wrong)]


def bad_runtime(lane: Lane, rng: random.Random, count: int) -> list[Result]:
    """A model file beside the good one that crashes, hangs, takes all memory or gives NaN."""
    name = rng.choice(sorted(BAD_MODELS))
    what, framework = BAD_MODELS[name]
    write_registry(lane.project, {"bad": write_bad_model(name, lane.project.folder / "mine")}, "bad.yaml")
    lane.forget("results", "resources/models/bad")
    code, output = lane.run(with_bad_cells({"bad": framework}), *SOON)
    rows = lane.project.summary("local") if (lane.project.folder / "results/local/summary.csv").exists() else {}
    bad = rows.pop(("bad", "graph", framework, "fp32"), {})
    lane.forget("results/local/bad")
    wrong = lane.is_right()
    if code != 1 or bad.get("status") != "failed" or not bad.get("reason") or "of the cells failed" not in output:
        wrong = f"{wrong} exit code {code}, {bad.get('status')}: {bad.get('reason')} {output[-300:]}"
    return [Result(f"runtime: {what}", "lost" if wrong else "reported", wrong)]


class Downloads:
    """A server that misbehaves, and the project's own download against it."""

    KINDS = (
        "cut", "cut forever", "no range", "404", "503", "503 forever", "wrong bytes", "wrong size", "redirect loop",
        "redirect to a file", "stalled", "stalled forever", "certificate", "two at once", "disk full", "killed",
    )  # fmt: skip

    def __init__(self, folder: Path) -> None:
        self._folder, self._number, self._lock = folder, 0, threading.Lock()

    def __call__(self, lane: Lane, rng: random.Random, count: int) -> list[Result]:
        with self._lock:
            self._number += 1
            folder = self._folder / str(self._number)
        kind = self.KINDS[self._number % len(self.KINDS)]
        (folder / "www").mkdir(parents=True)
        body = rng.randbytes(rng.randrange(200_000, 2_000_000))
        (folder / "www/a").write_bytes(body)
        destination = folder / "got/a"
        destination.parent.mkdir()
        sha256 = hashlib.sha256(body).hexdigest()

        def ask(server: FileServer) -> str:
            """One call: "" or its sentence. What it leaves under the final name is whole."""
            row = RemoteFile("a", (f"{server.url}/a",), len(body), sha256)
            try:
                fetch(row, destination, Checksums(folder / "checksums.yaml"), patience=PATIENCE)
            except UserError as error:
                return str(error)
            finally:
                assert not destination.exists() or destination.read_bytes() == body, "a corrupt file in place"
            return ""

        try:
            said = self._misbehave(kind, folder, body, destination, rng, ask)
            with FileServer(folder / "www") as healthy:
                then = ask(healthy)
        except AssertionError as error:
            return [Result(f"download: {kind}", "lost", str(error))]
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        outcome = "lost" if then else "reported" if said else "survived"
        return [Result(f"download: {kind}", outcome, then or said)]

    def _misbehave(
        self, kind: str, folder: Path, body: bytes, destination: Path, rng: random.Random,
        ask: Callable[[FileServer], str],
    ) -> str:  # fmt: skip
        place = rng.randrange(len(body))
        faults = {
            "cut": [Fault("cut", times=rng.randrange(1, 3), at=place)],
            "cut forever": [Fault("cut", at=rng.randrange(3000))],
            "no range": [Fault("cut", times=1, at=place), Fault("no_range")],
            "404": [Fault("status", status=404)],
            "503": [Fault("status", times=rng.randrange(1, 3), status=503)],
            "503 forever": [Fault("status", status=503)],
            "wrong bytes": [Fault("wrong_bytes", at=place)],
            "wrong size": [Fault("wrong_size", at=rng.randrange(1, len(body)))],
            "redirect loop": [Fault("redirect", to="/a")],
            "redirect to a file": [Fault("redirect", to="file:///etc/hostname")],
            "stalled": [Fault("stall", times=1, at=place)],
            "stalled forever": [Fault("stall", at=rng.randrange(1000))],
        }
        with FileServer(folder / "www", tls=kind == "certificate") as server:
            server.faults["/a"] = faults.get(kind, [])
            if kind == "two at once":
                said: list[str] = []
                asking = [threading.Thread(target=lambda: said.append(ask(server))) for _ in range(2)]
                for thread in asking:
                    thread.start()
                for thread in asking:
                    thread.join()
                return "; ".join(filter(None, said))
            if kind == "disk full":
                with small_disk(destination.parent, rng.randrange(20, 150)):
                    return ask(server)
            if kind == "killed":
                server.faults["/a"] = [Fault("stall", times=1, at=place)]
                child = os.fork()
                if child == 0:
                    ask(server)
                    os._exit(0)
                time.sleep(rng.uniform(0, 0.3))
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                assert not destination.exists() or destination.read_bytes() == body, "a corrupt file in place"
                return ""
            return ask(server)


def scenarios(faults: int, rng: random.Random, downloads: Downloads) -> list[tuple[Callable[..., list[Result]], int]]:
    """What happens, in a random order, so that there are `faults` faults in all."""
    shares: list[tuple[Callable[..., list[Result]], float]] = [
        (downloads, 0.4), (spoilt_file, 0.05), (full_disk, 0.05), (bad_runtime, 0.04),
    ]  # fmt: skip
    chosen = [(scenario, 1) for scenario, share in shares for _ in range(round(faults * share))]
    left = max(0, faults - len(chosen))
    chosen += [(kills, min(KILLS_A_CHAIN, left - start)) for start in range(0, left, KILLS_A_CHAIN)]
    rng.shuffle(chosen)
    return chosen


def table(results: Sequence[Result], head: str) -> str:
    """The results as a Markdown table; kinds of one fault (`download: cut`) share a row."""
    rows = []
    for fault in sorted({result.fault.split(":")[0] for result in results}):
        own = [result for result in results if result.fault.split(":")[0] == fault]
        kinds = ", ".join(sorted({result.fault.split(": ")[1] for result in own if ":" in result.fault}))
        outcomes = [result.outcome for result in own]
        counts = (outcomes.count(one) for one in ("survived", "reported", "lost"))
        rows.append((f"{fault}: {kinds}" if kinds else fault, len(own), *counts))
    total = ("**all**", *(sum(row[column] for row in rows) for column in range(1, 5)))
    lines = [f"| {name} | " + " | ".join(map(str, counts)) + " |" for name, *counts in [*rows, total]]
    return "\n".join(
        [head, "", "| fault | injected | survived | reported | lost |", "|---|---:|---:|---:|---:|", *lines]
    )


def work(lane: Lane, seed: int, queue: Iterator[Any], results: list[Result], record: Any, start: float) -> None:
    """Take scenarios until there are none left."""
    for number, (scenario, count) in queue:
        try:
            found = scenario(lane, random.Random(f"{seed} {number}"), count)
        except Exception as error:  # noqa: BLE001 - a fault that breaks the test itself counts as lost
            found = [Result(getattr(scenario, "__name__", "download"), "lost", f"{type(error).__name__}: {error}")]
        if any(one.outcome == "lost" for one in found):  # what follows starts from a whole matrix again
            lane.forget("results", "resources")
            lane.run()
        results += found
        record.write("".join(json.dumps({"scenario": number, **asdict(one)}) + "\n" for one in found))
        record.flush()
        lost = sum(one.outcome == "lost" for one in results)
        print(f"{time.monotonic() - start:6.0f} s: {len(results)} faults, {lost} lost", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Inject the faults and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200, help="how many (default: 200)")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn depends on it alone (default: 1)")
    parser.add_argument("--lanes", type=int, default=2, help="working copies at once (default: 2)")
    parser.add_argument("--folder", type=Path, help="where to work, and what to leave (default: a temporary one)")
    options = parser.parse_args(arguments)
    if not can_mount():
        parser.error("a small disk is mounted, which takes root and the right to mount")
    os.environ["NO_PROXY"] = "127.0.0.1"
    start = time.monotonic()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="soak.") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        first = tiny_project(folder / "lane0")
        run = Run(first, CONFIG)
        if run.wait() != 0:
            print(run.output, "The undisturbed run failed.", sep="\n", file=sys.stderr)
            return 1
        expected, lanes = accuracy_results(first), [first]
        for number in range(1, options.lanes):
            shutil.copytree(first.folder, folder / f"lane{number}")
            lanes.append(Project(folder / f"lane{number}"))
        chosen = scenarios(options.faults, random.Random(options.seed), Downloads(folder / "downloads"))
        queue = _Shared(enumerate(chosen))
        with (folder / "soak.jsonl").open("w") as record:
            threads = [
                threading.Thread(
                    target=work,
                    args=(Lane(one, expected, Sound(one.folder)), options.seed, queue, results, record, start),
                )
                for one in lanes
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    for one in results:
        if one.outcome == "lost":
            print(f"LOST {one.fault}: {one.note}", file=sys.stderr)
    minutes, machine = (time.monotonic() - start) / 60, host_facts().get("cpu", platform.processor())
    head = f"`make soak`, {datetime.now(UTC):%Y-%m-%d}: {len(results)} faults, seed {options.seed}, {minutes:.0f} min, "
    print(table(results, f"{head}{psutil.cpu_count()} cores of {machine}."))
    return int(any(one.outcome == "lost" for one in results))


class _Shared:
    """An iterator that several threads may take from."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source, self._lock = source, threading.Lock()

    def __iter__(self) -> _Shared:
        return self

    def __next__(self) -> Any:
        with self._lock:
            return next(self._source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
