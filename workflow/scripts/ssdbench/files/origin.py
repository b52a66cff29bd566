"""Which step made a file, and so what to do about one that is damaged.

A run's own files are made again; a file of the user's is the user's to repair, and nobody is told to delete it.
"""

from __future__ import annotations

import re
from pathlib import Path

from ssdbench.errors import UserError

# Files that only the workflow makes, by name, and the rule that makes them.
_MAKERS = {
    "detections.json": "detect_objects",
    "detect.json": "detect_objects",
    "trace.npz": "detect_objects",
    "seen.npz": "detect_objects",
    "card.json": "convert_model or quantise_model",
    "source.json": "fetch_model",
    "metrics.json": "evaluate_detections",
    "parts.json": "evaluate_parts",
    "parity.json": "compare_with_reference",
    "diagnosis.json": "diagnose_cell",
    "replicates.json": "draw_replicates",
    "timing.json": "combine_rounds",
    "run.json": "collect_run",
    "summary.json": "build_report",
    "images.json": "list_images or fetch_images",
}
_ROUND = re.compile(r"round\d+\.json")
# What lies below these folders of resources/, whatever its name.
_FOLDERS = {
    "artifacts": "convert_model or quantise_model",
    "source": "fetch_model",
    "calibrations": "choose_calibration",
}


def maker(path: Path) -> str:
    """The rule that makes a file of a run; "" of a file that may be the user's."""
    if "resources" in path.parts:
        for folder, rule in _FOLDERS.items():
            if folder in path.parts:
                return rule
        return "the fetching rules" if "datasets" in path.parts else ""
    if _ROUND.fullmatch(path.name):
        return "time_inference"
    return _MAKERS.get(path.name, "")


def remedy(path: Path) -> str:
    """What to do about a file that is damaged: a whole sentence."""
    rule = maker(path)
    return f"{rule} makes it: run `make retry`, and it is made again." if rule else "Repair it, or give another file."


def damaged(path: Path, what: str) -> UserError:
    """The error for a file that is not what it should be; `what` follows its name, as in `is not an image list`."""
    return UserError(f"{path} {what}. {remedy(path)}")
