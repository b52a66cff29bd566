"""Everything known of one cell in one record, with what it was made from: the content of run.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ssdbench.coco.image_list import read_image_list
from ssdbench.diagnosis.explain import against_expected
from ssdbench.evaluation.bootstrap import compare, from_record
from ssdbench.files.hashing import sha256_file
from ssdbench.files.reading import read_record
from ssdbench.jobs.steps import log_tail
from ssdbench.machine.host import host_facts, package_versions
from ssdbench.machine.project_version import project_version
from ssdbench.timing.combine_rounds import combine_rounds

# What a cell measures, in the order in which its first failure is looked for, and what is said of that besides: a
# measured cell does not fail with it. Some cells have no metrics, parity or parts.
MEASURED = ("card", "detect", "metrics", "timing")
PARTS = (*MEASURED, "parity", "parts", "diagnosis")
ABSENT = "job ended without a result"

# What each part is made from: where that is absent, or newer, the part is of another time.
_MADE_FROM = {
    "detect": "card",
    "timing": "card",
    "metrics": "detect",
    "parity": "detect",
    "parts": "detect",
    "diagnosis": "detect",
}
_PACKAGES = (
    "ai-edge-litert",
    "numpy",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "openvino",
    "pycocotools",
    "snakemake",
    "tensorflow",
    "tf2onnx",
)

Record = dict[str, Any]


def collect_run(files: Mapping[str, str | Path], given: Mapping[str, Any]) -> Record:
    """The record of a cell from those of its steps.

    Args:
        files: `images`, and the records by the names of PARTS; `replicates` and `reference` where the cell is judged.
        given: `cell`, `config`, `expected`, `reference` (framework, precision), `share`: as the rule has them.
    """
    parts = {name: read_record(Path(files[name])) if files.get(name) else {} for name in PARTS}
    return _assembled(parts, _comparison(files, given), given, Path(files["images"]))


def collect_what_is_there(
    files: Mapping[str, str], logs: Mapping[str, str], rounds: Mapping[str, str], given: Mapping[str, Any]
) -> Record:
    """The record of a cell of which steps have no result: their jobs vanished. Those steps failed, the others stand.

    Args:
        files, given: as `collect_run` takes them; the files need not exist.
        logs: the log of each step, by the names of PARTS and, for what comes before them, `source` and `images`.
        rounds: file -> log of the table's rounds, from which the cell's timing is put together if that was not done.
    """
    parts = {name: _part(files.get(name), logs.get(name, "")) for name in PARTS}
    if parts["timing"].get("absent") and any(Path(file).is_file() for file in rounds):
        parts["timing"] = _timing([_round(file, log) for file, log in rounds.items()], given)
    for earlier, first in (("source", "card"), ("images", "detect")):
        if parts[first].get("absent") and not Path(files[earlier]).is_file():
            parts[first] = _absent(logs[earlier])
    for name, base in _MADE_FROM.items():
        if parts[base].get("absent") and parts[name]:
            parts[name] = parts[base]
        elif parts[name] and _is_older(files[name], files[base]):
            parts[name] = _absent(logs[name])
    is_compared = parts["metrics"].get("status") == "ok" and _has_comparison(files)
    return _assembled(parts, _comparison(files, given) if is_compared else None, given, Path(files["images"]))


def _assembled(
    parts: Mapping[str, Record], comparison: Record | None, given: Mapping[str, Any], image_list: Path
) -> Record:
    measured = [part for name in MEASURED if (part := parts[name])]
    first_failure = next((part for part in measured if part["status"] != "ok"), parts["timing"])
    if first_failure.get("status") == "unsupported" and parts["card"].get("status") == "ok":
        # The default setting is too large for the machine that timed; what else was measured of the cell stands.
        first_failure = {**first_failure, "status": "failed"}
    images = read_image_list(image_list) if image_list.is_file() else None
    expected = against_expected(given["expected"], parts["metrics"], parts["parts"])
    return {
        "cell": given["cell"],
        **{key: first_failure[key] for key in ("status", "reason", "log", "log_tail") if key in first_failure},
        **{part: _shortened(content) or None for part, content in parts.items()},
        "errors": parts["metrics"].get("errors"),
        "comparison": comparison,
        "expected": asdict(expected) if expected else None,
        "provenance": {
            "ssdbench": project_version(),
            "model_sha256": parts["card"].get("source_sha256", ""),
            "artifact_sha256": parts["card"].get("sha256", ""),
            "images_sha256": sha256_file(image_list) if images else "",
            "annotations_sha256": images.annotations_sha256 if images else "",
            "code_sha256": parts["detect"].get("code_sha256", ""),
            "config": given["config"],
            "host": host_facts(),
            "versions": package_versions(_PACKAGES),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }


def _is_older(file: str, base: str) -> bool:
    one, other = Path(file), Path(base)
    return one.is_file() and other.is_file() and one.stat().st_mtime_ns < other.stat().st_mtime_ns


def _has_comparison(files: Mapping[str, str]) -> bool:
    """Whether all is there that a cell and its reference are compared with."""
    if "replicates" not in files or "reference" not in files:
        return False
    detect = Path(files["detect"])
    own, reference = Path(files["replicates"]), Path(files["reference"])
    needed = (own, reference, reference.with_name("metrics.json"))
    return all(file.is_file() for file in needed) and not _is_older(str(own), str(detect))


def _part(file: str | None, log: str) -> Record:
    """The record of a step; an absent one has failed, and one that the cell does not have is empty."""
    if not file:
        return {}
    return read_record(Path(file)) if Path(file).is_file() else _absent(log)


def _timing(rounds: list[Record], given: Mapping[str, Any]) -> Record:
    """The cell's timing from the rounds of its table, with those cells that they timed."""
    name = f"{given['cell']['framework']}/{given['cell']['precision']}"
    names = dict.fromkeys(key for one in rounds for key in one.get("cells", {}))
    reference = "/".join(given["reference"]) if given["is_compared"] else None
    width = given["config"]["timing"]["interval_width"]
    return combine_rounds(rounds, [*names, *([] if name in names else [name])], reference, width)[name]


def _round(file: str, log: str) -> Record:
    """The record of a round of timing, named as in its path: .../<setting>/round<k>.json."""
    path = Path(file)
    number = int(path.stem.removeprefix("round"))
    record: Record = read_record(path) if path.is_file() else _absent(log)
    return {"setting": path.parent.name, "round": number, **record}


def _absent(log: str) -> Record:
    """The record of a step whose job left none, with the error that its log ends with, where there is one."""
    tail = log_tail(Path(log))
    errors = [line.split(" ERROR ", 1)[1] for line in tail if " ERROR " in line]
    reason = f"{ABSENT}: {errors[-1]}" if errors else ABSENT
    return {"status": "failed", "reason": reason, "log": log, "log_tail": tail, "absent": True}


def _comparison(files: Mapping[str, str | Path], given: Mapping[str, Any]) -> Record | None:
    """The cell against its reference on the same images; None where there is none or one of them failed."""
    if not files.get("replicates") or not files.get("reference"):
        return None
    own, reference = (read_record(Path(files[name])) for name in ("replicates", "reference"))
    if (own["status"], reference["status"]) != ("ok", "ok"):
        return None
    framework, precision = given["reference"]
    return {
        **asdict(compare(from_record(reference), from_record(own), given["share"])),
        "reference": {"framework": framework, "precision": precision},
        "share": given["share"],
    }


def _shortened(content: Record) -> Record:
    """A part's record without what is long or stands elsewhere in the run."""
    return {key: value for key, value in content.items() if key not in ("anchors", "errors")}
