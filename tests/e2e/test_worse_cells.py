"""Cells made worse on purpose, in one way each, are caught: verdict, first rung outside, and what it looks like.

The real model has run on the real images. In a copy of that run the detections of six cells, and what they saw, are
replaced by worse ones, and the workflow is run again.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import pytest

from conftest import CocoSample
from e2e.conftest import LOCAL
from ssdbench.boxes.decoding import Found
from ssdbench.catalog.protocols import protocol
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import Detection, Detections, read_detections, write_detections
from ssdbench.coco.image_list import ImageRecord, read_image_list
from ssdbench.conversion.artifact import open_artifact
from ssdbench.diagnosis.explain import ExpectedAP, Run, explain_low, images_to_try, run_changed
from ssdbench.diagnosis.parity import ladder_of
from ssdbench.diagnosis.usual_causes import usual_causes
from ssdbench.evaluation.bootstrap import compare, draw, from_record
from ssdbench.evaluation.coco_matching import match
from ssdbench.evaluation.image_matching import found_by_image
from ssdbench.files.reading import read_json
from ssdbench.images.pixels import resize_image
from ssdbench.inference.detect import detect, detections, head_decoding
from ssdbench.inference.trace import Recorder, Trace, read_trace, write_trace
from ssdbench.machine.host import host_facts, int8_saturates
from ssdbench.runtimes import open_session
from support.project import Project
from support.rule_script import run_rule_script
from support.shared_run import copy_of

pytestmark = pytest.mark.full
MODEL = "ssdlite_mobilenet_v2"
CELLS = f"results/local/{MODEL}/heads"
NMS = {"score": 1e-8, "iou": 0.6, "max": 100}
REFERENCE, TFLITE, ONNX = "tensorflow/fp32", "tflite/fp32", "onnxruntime/fp32"


@pytest.fixture(scope="module")
def healthy(local_project: Project) -> Project:
    """The default matrix has run on the real images."""
    return local_project


@dataclass(frozen=True)
class Outcome:
    """What a cell makes of all images."""

    rows: list[Detection]
    seen: Trace


def images_of(project: Project) -> Sequence[ImageRecord]:
    return read_image_list(project.folder / "results/local/images.json").images


def card_of(project: Project, cell: str) -> Path:
    return project.folder / f"resources/models/{MODEL}/artifacts/heads/{cell}/card.json"


def outcome(project: Project, cell: str, order: Any = "rgb", model: bytes | None = None) -> Outcome:
    """Run a cell's artifact, or another model file in its place, on all images."""
    card, artifact = open_artifact(card_of(project, cell))
    if model:
        artifact = project.folder / f"worse{artifact.suffix}"
        artifact.write_bytes(model)
    images = read_image_list(project.folder / "results/local/images.json")
    recorder = Recorder(len(images.images))
    session = open_session(cell.split("/")[0], artifact, 1)
    found = detect(session, images.folder, images.images, 300, order, head_decoding(card, NMS), recorder)
    return Outcome(list(detections(found)), recorder.result())


def of_run(project: Project, cell: str) -> Outcome:
    """What a cell made of all images in the run."""
    folder = project.folder / CELLS / cell
    return Outcome(list(read_detections(folder / "detections.json")), read_trace(folder / "seen.npz"))


def changed(project: Project, cell: str, change: Callable[[list[Detection]], Iterable[Detection]]) -> Outcome:
    """A cell whose detections alone are changed."""
    one = of_run(project, cell)
    return Outcome(list(change(one.rows)), one.seen)


def perturbed(project: Project, share: float) -> bytes:
    """The fp32 model with convolution weights off by `share` of each, at random."""
    import onnx

    model = onnx.load(str(card_of(project, ONNX).with_name("model.onnx")))
    weights = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            values = onnx.numpy_helper.to_array(tensor)
            # The converter orders and names tensors anew each time; the same weights are to get the same noise.
            random = np.random.default_rng(zlib.crc32(values.tobytes()))
            noisy = values * (1 + share * random.normal(0, 1, values.shape))
            tensor.CopyFrom(onnx.numpy_helper.from_array(noisy.astype(np.float32), tensor.name))
    assert weights
    data: bytes = model.SerializeToString()
    return data


def per_tensor(project: Project, calibration: Path) -> bytes:
    """The int8 model as it is made, but with one scale for each weight tensor instead of one per channel."""
    import onnx
    import onnxruntime.quantization as quantisation

    from ssdbench.conversion.to_onnx import to_int8

    files = sorted(calibration.iterdir())
    pixels = [resize_image(cv2.imread(str(file)), 300, "rgb") for file in files]
    as_made = quantisation.quantize_static
    with patch.object(quantisation, "quantize_static", lambda *a, **k: as_made(*a, **{**k, "per_channel": False})):
        model = to_int8(
            onnx.load(str(card_of(project, ONNX).with_name("model.onnx"))),
            pixels,
            int8_saturates(host_facts()["cpu_flags"]),
        )
    data: bytes = model.SerializeToString()
    return data


def class_ids_off_by_one(rows: list[Detection]) -> list[Detection]:
    return [replace(row, category_id=row.category_id + 1) for row in rows]


def over_threshold(rows: list[Detection]) -> list[Detection]:
    return [row for row in rows if row.score > 0.3]


def ten_an_image(rows: list[Detection]) -> list[Detection]:
    taken: dict[int, int] = {}
    kept = []
    for row in rows:  # best first
        taken[row.image_id] = taken.get(row.image_id, 0) + 1
        if taken[row.image_id] <= 10:
            kept.append(row)
    return kept


# Which cell is made worse in which way, and what is to be said of it.
WORSE = {
    "tflite/fp32": ("BGR", "pixels", ["bgr"]),
    "tflite/fp16": ("class ids shifted", "boxes", ["class_ids_high"]),
    "tflite/int8": ("ten detections", "boxes", ["ten"]),
    "onnxruntime/fp32": ("weights perturbed", "heads", []),
    "onnxruntime/fp16": ("threshold 0.3", "boxes", ["threshold"]),
    "onnxruntime/int8": ("per-tensor int8", "heads", []),
}


@pytest.fixture(scope="module")
def worse(
    healthy: Project, environment: dict[str, str], coco_calibration: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A copy of the run with six cells made worse, each in its way, and all that follows from them."""
    copy = copy_of(healthy, tmp_path_factory.mktemp("worse") / "project")
    made = {
        "BGR": lambda: outcome(copy, TFLITE, order="bgr"),
        "class ids shifted": lambda: changed(copy, "tflite/fp16", class_ids_off_by_one),
        "ten detections": lambda: changed(copy, "tflite/int8", ten_an_image),
        "weights perturbed": lambda: outcome(copy, ONNX, model=perturbed(copy, 0.05)),
        "threshold 0.3": lambda: changed(copy, "onnxruntime/fp16", over_threshold),
        "per-tensor int8": lambda: outcome(copy, ONNX, model=per_tensor(copy, coco_calibration)),
    }
    for cell, (way, _, _) in WORSE.items():
        one = made[way]()
        write_detections(copy.folder / CELLS / cell / "detections.json", one.rows)
        write_trace(copy.folder / CELLS / cell / "seen.npz", one.seen)
    done = copy.run(config=LOCAL, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy


@pytest.mark.parametrize("cell", WORSE, ids=[way for way, _, _ in WORSE.values()])
def test_a_cell_made_worse_is_caught(worse: Project, cell: str) -> None:
    _, rung, causes = WORSE[cell]
    run = worse.json(f"{CELLS}/{cell}/run.json")
    summary = worse.summary("local")[MODEL, "heads", *cell.split("/")]

    assert run["comparison"]["verdict"]["name"] == summary["verdict"] == "lost"
    assert run["parity"]["first_departure"] == summary["parity"] == rung
    assert run["diagnosis"]["asked"] == "reference"
    assert run["diagnosis"]["causes"] == causes
    assert run["diagnosis"]["images"] == 24
    if not causes:
        assert run["diagnosis"]["sentence"].startswith("No usual cause fits")
        assert run["parity"]["sentence"].endswith("Look at the conversion, the quantisation and the weights.")


def test_the_hints_are_in_words(worse: Project) -> None:
    hints = {name[2:]: row["looks_like"] for name, row in worse.summary("local").items()}

    assert hints["tflite", "fp32"].startswith("Looks like BGR: red and blue are swapped. That explains 100%")
    assert hints["tflite", "fp16"].startswith("Looks like class ids off by one. That explains ")
    assert hints["onnxruntime", "fp16"].startswith("Looks like a score threshold of 0.3. That explains ")
    assert hints["tflite", "int8"].startswith("Looks like ten detections an image. That explains ")


@pytest.mark.parametrize("cell", WORSE)
def test_a_cell_as_it_is_made_differs_by_noise_or_what_int8_allows(healthy: Project, cell: str) -> None:
    run = healthy.json(f"{CELLS}/{cell}/run.json")

    if not cell.endswith("int8"):
        assert run["comparison"]["verdict"]["name"] in ("kept", "undecided")
    assert run["parity"]["first_departure"] is None
    assert (run["diagnosis"]["asked"], run["diagnosis"]["causes"]) == ("", [])


def found(one: Outcome, ids: Iterable[int]) -> dict[int, Found]:
    return found_by_image(Detections.of(one.rows), list(ids))


@pytest.mark.parametrize(
    ("share", "precision", "departure"),
    [
        (1e-6, "fp32", None),  # as sums in another order
        (1e-4, "fp16", None),  # as rounding to 11 bits
        (1e-4, "fp32", "heads"),  # more than fp32 has: these are other weights, although no image shows it
    ],
)
def test_noise_on_the_weights_is_not_lost(
    healthy: Project, coco_sample: CocoSample, share: float, precision: str, departure: str | None
) -> None:
    ids = [image.id for image in images_of(healthy)]
    reference = of_run(healthy, REFERENCE)
    cell = outcome(healthy, ONNX, model=perturbed(healthy, share))

    matches = match(read_annotations(coco_sample.annotations), Detections.of(cell.rows), ids)
    drawn = from_record(read_json(healthy.folder / CELLS / REFERENCE / "replicates.json"))
    comparison = compare(drawn, draw(matches))
    ladder = ladder_of(precision, cell.seen, reference.seen, found(cell, ids), found(reference, ids))

    assert comparison.verdict.name in ("kept", "undecided")
    assert ladder.first_departure == departure


def runner(project: Project, records: Sequence[ImageRecord], order: Any) -> Run:
    card, artifact = open_artifact(card_of(project, ONNX))
    folder = read_image_list(project.folder / "results/local/images.json").folder
    session = open_session("onnxruntime", artifact, 1)
    return run_changed(session, folder, records, 300, order, head_decoding(card, NMS), usual_causes())


def shifted(run: Run, by: int) -> Run:
    def shifted_run(change: Any) -> dict[int, Found]:
        return {i: Found(one.class_ids + by, one.scores, one.boxes) for i, one in run(change).items()}

    return shifted_run


@pytest.mark.parametrize(
    ("fault", "ours", "causes"),
    [("bgr", 0.2316, ("bgr",)), ("class ids", 0.0039, ("class_ids_low",)), ("weights", 0.25, ())],
)
def test_an_ap_below_the_expected_one_is_explained_on_48_images(
    healthy: Project, coco_sample: CocoSample, fault: str, ours: float, causes: tuple[str, ...]
) -> None:
    truth = read_annotations(coco_sample.annotations)
    records = images_to_try(images_of(healthy), 48)
    sizes = {record.id: (record.width, record.height) for record in records}
    run = runner(healthy, records, "bgr" if fault == "bgr" else "rgb")
    run = shifted(run, 1) if fault == "class ids" else run
    expected = ExpectedAP(0.3016, 0.005, "measured", "all", ours, is_outside=True)

    explanation = explain_low(run, sizes, truth, expected, run(None), protocol("heads"))

    assert explanation.causes == causes
    assert explanation.sentence.startswith(f"AP is {0.3016 - ours:.4f} below the expected 0.3016. ")
    assert ("No usual cause fits" in explanation.sentence) == (not causes)


@pytest.fixture
def diagnose(healthy: Project, coco_sample: CocoSample, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The rule's script on the cell of ONNX Runtime fp32, with some of its inputs changed."""

    def run(expected: dict[str, Any] | None, **inputs: Any) -> dict[str, Any]:
        folder = healthy.folder / CELLS / ONNX
        files = {name: folder / f"{name}.json" for name in ("parity", "metrics", "detections", "detect")}
        run_rule_script(
            "diagnose_cell.py",
            tmp_path / "log",
            {
                **files,
                "artifact": card_of(healthy, ONNX).parent,
                "reference_artifact": card_of(healthy, REFERENCE).parent,
                "images": healthy.folder / "results/local/images.json",
                "annotations": coco_sample.annotations,
                **inputs,
            },
            {"diagnosis": tmp_path / "diagnosis.json"},
            {"nms": NMS, "expected": expected, "versions": {}},
            {"framework": "onnxruntime", "precision": "fp32", "protocol": "heads"},
        )
        record: dict[str, Any] = json.loads((tmp_path / "diagnosis.json").read_text())
        return record

    return run


def expected_of(ap: float) -> dict[str, Any]:
    return {"AP": ap, "tolerance": 0.005, "source": "someone", "part": "all"}


def test_the_script_runs_the_cell_where_its_ap_is_too_low(diagnose: Callable[..., dict[str, Any]]) -> None:
    record = diagnose(expected_of(0.35))

    assert (record["status"], record["asked"], record["causes"]) == ("ok", "expected", [])
    assert "No usual cause fits" in record["sentence"]
    assert record["images"] == 48
    assert next(trial["name"] for trial in record["trials"]) in {"exif", "twice"}  # they change nothing, or hardly


def test_the_script_runs_nothing_where_there_is_nothing_to_explain_or_an_ap_is_too_high(
    diagnose: Callable[..., dict[str, Any]], healthy: Project, tmp_path: Path
) -> None:
    shutil.copy(card_of(healthy, ONNX), tmp_path / "card.json")
    no_model = {"artifact": tmp_path, "reference_artifact": tmp_path / "none"}
    parts = tmp_path / "parts.json"
    parts.write_text(json.dumps({"status": "ok", "held_out": {"images": 30, "AP": 0.25}}))

    fine = diagnose(expected_of(0.301), **no_model)
    unexpected = diagnose(None, parity=None, metrics=None, **no_model)
    high = diagnose(expected_of(0.25), parts=parts, **no_model)

    assert (fine["status"], fine["asked"], fine["sentence"]) == ("ok", "", "")
    assert (unexpected["status"], unexpected["asked"]) == ("ok", "")
    assert (high["status"], high["asked"], high["causes"]) == ("ok", "expected", ["seen"])


def test_a_missing_artifact_is_the_reason_of_a_diagnosis_that_failed(
    diagnose: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    record = diagnose(expected_of(0.35), artifact=tmp_path / "none")

    assert record["status"] == "failed"
    assert "card.json does not exist" in record["reason"]
