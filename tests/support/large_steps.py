"""The steps that read detections, each run by its rule's script on generated files, and the memory each needs.

By hand, at full size: PYTHONPATH=workflow/scripts:tests python -m support.large_steps FOLDER 100000 1000
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ssdbench.inference.trace import Trace, write_trace
from support.large import write_large
from support.report_cells import make_run
from support.rule_script import run_rule_script

CELLS = ("tensorflow", "onnxruntime")
_OK = {"status": "ok", "reason": "", "log": ""}
_MINUTES = 200


def peaks(folder: Path, images: int, replicates: int, steps: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """Generate files of so many images, run each step (or those named), and yield its name and peak memory in bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "detections1.json").exists():
        write_large(folder, images, cells=len(CELLS))
    ids = np.arange(1, images + 1)
    write_trace(folder / "seen.npz", _seen(ids))
    (folder / "ids.txt").write_text("\n".join(map(str, ids[::2].tolist())))
    records = {
        "ok": {**_OK, "uncategorised": 0, "classes": {"notes": []}},
        "timing": {**_OK, "speed": None},
        "detect": {**_OK, "images": images},
    }
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    (folder / "artifact").mkdir(exist_ok=True)
    (folder / "artifact/card.json").write_text(json.dumps(_OK))
    for index, framework in enumerate(CELLS):
        run = make_run(framework, dataset="large")
        (folder / f"run{index}.json").write_text(json.dumps(run))
    yield from ((name, _step(folder, name, replicates)) for name in steps or _STEPS)


def _step(folder: Path, name: str, replicates: int) -> int:
    inputs, output, params = _STEPS[name]
    common = {"annotations": "instances.json", "images": "images.json", "detect": "ok.json"}
    given = {key: _paths(folder, value) for key, value in {**common, **inputs}.items()}
    wanted = {key: folder / value for key, value in output.items()}
    settings = {"replicates": replicates, "seed": 0, **params}
    wildcards = {"framework": CELLS[1], "precision": "fp32", "protocol": "heads"}
    peak = run_rule_script(f"{name}.py", folder / f"{name}.log", given, wanted, settings, wildcards, _MINUTES)
    record = wanted[next(iter(output))]
    if record.suffix == ".json" and name != "build_report":
        status = json.loads(record.read_text()).get("status")
        assert status == "ok", record.read_text()[:500]
    return peak


def _paths(folder: Path, names: str | list[str]) -> Path | list[Path]:
    return folder / names if isinstance(names, str) else [folder / name for name in names]


def _seen(ids: np.ndarray[Any, Any]) -> Trace:
    none = np.zeros((0, 0, 0), np.float32)
    return Trace(ids, np.zeros((len(ids), 32), np.uint8), ids[:0], none, none)


_CONTEXT = {
    "kind": "dataset", "tag": "large", "reference": {"framework": CELLS[0], "precision": "fp32"}, "unsupported": [],
}  # fmt: skip
_ROOT = Path(__file__).resolve().parents[2]
# Inputs, outputs and params besides those that all have.
_STEPS: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any]]] = {
    "evaluate_detections": ({"detections": "detections1.json"}, {"metrics": "metrics.json"}, {}),
    "draw_replicates": ({"detections": "detections1.json"}, {"replicates": "replicates.json"}, {}),
    "evaluate_parts": ({"detections": "detections1.json", "ids": "ids.txt"}, {"parts": "parts.json"}, {"name": "half"}),
    "compare_with_reference": (
        {
            "detections": "detections1.json", "reference_detections": "detections0.json",
            "reference_detect": "ok.json", "seen": "seen.npz", "reference_seen": "seen.npz",
            "metrics": "metrics.json", "reference_metrics": "metrics.json",
        },
        {"parity": "parity.json"},
        {"reference": [CELLS[0], "fp32"]},
    ),
    "collect_run": (
        {
            "artifact": "artifact", "metrics": "metrics.json", "parts": "parts.json", "parity": "parity.json",
            "diagnosis": "ok.json", "timing": "timing.json", "detect": "detect.json",
            "replicates": "replicates.json", "reference": "replicates.json",
        },
        {"run": "run.json"},
        {"given": {"cell": {}, "config": {}, "expected": None, "reference": [CELLS[0], "fp32"], "share": 0.99}
         | {"is_compared": True}},
    ),
    "build_report": (
        {
            "runs": ["run0.json", "run1.json"], "detections": ["detections0.json", "detections1.json"],
            "images": ["images.json"], "sweep": [], "protocols": str(_ROOT / "workflow/resources/protocols.yaml"),
            "published": str(_ROOT / "workflow/resources/published.yaml"),
        },
        {
            "json": "summary.json", "csv": "summary.csv", "markdown": "summary.md", "sweep": "sweep.csv",
            "page": "report/index.html",
        },
        {"context": _CONTEXT, "hashes": {}, "there": {"cells": []}},
    ),
}  # fmt: skip


def main() -> None:
    start = time.monotonic()
    for name, peak in peaks(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]):
        print(f"{name}: {peak / 1e9:.2f} GB, {time.monotonic() - start:.0f} s", flush=True)
        start = time.monotonic()


if __name__ == "__main__":
    main()
