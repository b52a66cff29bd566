"""Rule collect_run: everything known of one cell in one record, with what it was made from."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ssdbench import steps
from ssdbench.bootstrap import compare, from_record
from ssdbench.coco import read_image_list
from ssdbench.diagnosis import against_expected
from ssdbench.files import read_json, sha256_file, write_json
from ssdbench.host import host_facts, package_versions

snakemake: Any  # given by the rule

# What a cell measures, in the order in which its first failure is looked for, and what is said of that besides: a
# measured cell does not fail with it. Some cells have no metrics, parity or parts.
MEASURED = ("card", "detect", "metrics", "timing")
PARTS = (*MEASURED, "parity", "parts", "diagnosis")
PACKAGES = (
    "ai-edge-litert",
    "numpy",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "pycocotools",
    "snakemake",
    "tensorflow",
    "tf2onnx",
)


def work() -> None:
    named = {name: snakemake.input.get(name) for name in PARTS}
    parts: dict[str, steps.Record] = {name: read_json(Path(path)) if path else {} for name, path in named.items()}
    measured = [parts[name] for name in MEASURED]
    first_failure = next((part for part in measured if part and part["status"] != "ok"), parts["timing"])
    images = read_image_list(Path(snakemake.input.images))
    expected = against_expected(snakemake.params.expected, parts["metrics"], parts["parts"])
    write_json(
        Path(snakemake.output.run),
        {
            "cell": snakemake.params.cell,
            **{key: first_failure[key] for key in ("status", "reason", "log")},
            **{part: shortened(content) or None for part, content in parts.items()},
            "errors": parts["metrics"].get("errors"),
            "comparison": comparison(),
            "expected": asdict(expected) if expected else None,
            "provenance": {
                "model_sha256": parts["card"].get("source_sha256", ""),
                "artifact_sha256": parts["card"].get("sha256", ""),
                "images_sha256": sha256_file(Path(snakemake.input.images)),
                "annotations_sha256": images.annotations_sha256,
                "code_sha256": parts["detect"].get("code_sha256", ""),
                "config": snakemake.params.config,
                "host": host_facts(),
                "versions": package_versions(PACKAGES),
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
            },
        },
    )


def comparison() -> steps.Record | None:
    """The cell against its reference on the same images; None where there is none or one of them failed."""
    if not snakemake.input.get("replicates"):
        return None
    own, reference = (read_json(Path(snakemake.input[name])) for name in ("replicates", "reference"))
    if (own["status"], reference["status"]) != ("ok", "ok"):
        return None
    framework, precision = snakemake.params.reference
    share = snakemake.params.share
    return {
        **asdict(compare(from_record(reference), from_record(own), share)),
        "reference": {"framework": framework, "precision": precision},
        "share": share,
    }


def shortened(content: steps.Record) -> steps.Record:
    """A part's record without what is long or stands elsewhere in the run."""
    return {key: value for key, value in content.items() if key not in ("anchors", "errors")}


steps.run(snakemake.log[0], work)
