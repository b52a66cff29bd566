"""The one way from a model that is cut at its heads to a checked artifact."""

from __future__ import annotations

import gc
import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssdbench.arrays import Float32, UInt8
from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.normalisation import MOBILENET_SSD
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.support import unsupported_reason
from ssdbench.conversion import check_conversion
from ssdbench.conversion.artifact import file_facts
from ssdbench.conversion.cut_heads import (
    BOX_ENCODINGS,
    CLASS_SCORES,
    PIXELS,
    anchors_of,
    cut_heads,
)
from ssdbench.conversion.fake_quant import steps_of
from ssdbench.conversion.find_nodes import find_nodes, head_layout
from ssdbench.conversion.folding import fold
from ssdbench.conversion.load_graph import load_graph
from ssdbench.conversion.mixed_files import Goal, QuantisedFile, mixed_file
from ssdbench.conversion.own_nms import own_nms
from ssdbench.errors import UserError
from ssdbench.files.writing import copy_path
from ssdbench.machine.host import package_versions
from ssdbench.runtimes import open_session

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_LOG = logging.getLogger(__name__)

_ROUNDS = (
    "from quantisation-aware training: the graph itself rounds to 8-bit steps at every precision, so its heads are "
    "held to one step on average"
)

_HEADS = (BOX_ENCODINGS, CLASS_SCORES)


@dataclass(frozen=True)
class _Detector:
    """The cut and folded model: its heads, and its anchors float32 [A, 4]."""

    row: ModelRow
    heads: GraphDef
    anchors: Float32


@dataclass(frozen=True)
class _Made:
    """What the card says of a file beyond its contents; anchors only of `heads` files. reduce_range: whether the
    weights have 7 bits, None where that makes no difference or is not known."""

    check: dict[str, Any]
    anchors: Float32 | None
    notes: tuple[str, ...]
    quantisation: dict[str, Any] | None
    reduce_range: bool | None = None


def convert(
    row: ModelRow,
    source: Path,
    graph_kind: str,
    framework: str,
    precision: str,
    calibration_pixels: Callable[[], Iterable[UInt8]],
    reduce_range: bool,
    destination: Path,
    goal: Goal | None = None,
) -> dict[str, Any]:
    """Make one artifact of a model by conversion, check it, and only then put its file into `destination`.

    Args:
        source: the model's own file (model.json, frozen graph or SavedModel).
        calibration_pixels: gives the images to check with, and to calibrate int8 with: uint8 RGB [H, W, 3].
        reduce_range: 7-bit weights in int8 ONNX files, for CPUs without VNNI.
        goal: what an int8_mixed file is to keep.

    Returns:
        The card, but for status, reason, log, calibration and source_sha256, which the caller knows.

    Raises:
        UserError: the artifact is unsupported, the source is not what the registry says, or the converted
            model differs too much from the source.
    """
    reason = unsupported_reason(row, graph_kind, framework, precision)
    if reason:
        raise UserError(f"This artifact of {row.name} cannot be made: {reason}.")
    tools = frameworks()[framework]
    pixels = list(calibration_pixels())
    if not pixels:
        raise UserError("There are no images to check the converted model with: give at least one.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / tools.model_file
        _LOG.info("Converting %s to %s %s (%s).", row.name, framework, precision, graph_kind)
        made = _make(row, source, graph_kind, framework, precision, pixels, reduce_range, path, goal)
        card = {
            "graph_kind": graph_kind,
            "framework": framework,
            "precision": precision,
            **file_facts(framework, path),
            "input_size": list(row.size),
            "anchors": None if made.anchors is None else made.anchors.tolist(),
            "normalisation": asdict(row.normalisation or MOBILENET_SSD),
            "box_coder": list(row.coder),
            "class_ids": list(row.class_ids) or None,
            "labels": list(row.labels) or None,
            "reduce_range": made.reduce_range,
            "quantisation": made.quantisation,
            "notes": list(made.notes),
            "check": made.check,
            "versions": package_versions(tools.converters),
        }
        copy_path(path, destination / path.name)
    return card


def _make(
    row: ModelRow,
    source: Path,
    graph_kind: str,
    framework: str,
    precision: str,
    pixels: Sequence[UInt8],
    reduce_range: bool,
    path: Path,
    goal: Goal | None,
) -> _Made:
    """Convert the model to the file `path` and check it."""
    graph_def = load_graph(row, source)
    nms, notes = own_nms(graph_def, row.graph_nms), []
    if graph_kind == "graph" and nms != row.graph_nms:
        notes.append(
            f"suppression as in the source itself, score above {nms.score:g} and IoU {nms.iou:g}; the registry states "
            f"{row.graph_nms.score:g} and {row.graph_nms.iou:g}"
        )
    row = replace(row, graph_nms=nms)
    nodes = find_nodes(graph_def, row, source)
    anchors = anchors_of(graph_def, nodes, row, source)
    plain = cut_heads(graph_def, nodes, row, source, len(anchors))
    detector = _Detector(row, fold(plain, list(_HEADS)), anchors)
    del graph_def
    gc.collect()  # TensorFlow's graphs are circles that hold the weights: 1 GB of a graph of 70 MB before the next step
    unfolded = path.with_name("reference.pb")
    unfolded.write_bytes(plain.SerializeToString())
    reference = check_conversion.run_all(open_session("tensorflow", unfolded, 1), pixels)
    gc.collect()
    if precision == "int8_mixed":
        assert goal is not None, "int8_mixed needs a goal"
        file = mixed_file(framework, detector.heads, row, pixels, reduce_range, goal.of(reference, anchors), path)
        notes.append(file.words)
    else:
        file = _WRITERS[framework](detector, graph_kind, precision, pixels, reduce_range)
    path.write_bytes(file.data)
    gc.collect()
    _LOG.info("Checking it on %d images.", len(pixels))
    outputs = check_conversion.run_all(open_session(framework, path, 1), pixels)
    steps = steps_of(plain, *_HEADS)
    against = "the source's heads in TensorFlow fp32"
    figures: Sequence[check_conversion.Figure] | check_conversion.NotJudged
    if graph_kind == "heads":
        figures = check_conversion.compare_heads(precision, reference, outputs, steps)
    else:
        against += " with our own suppression"
        figures = check_conversion.compare_detections(
            precision, reference, outputs, anchors, head_layout(row).box_coder, row.graph_nms
        )
    return _Made(
        check_conversion.require(figures, against, len(pixels)),
        anchors if graph_kind == "heads" else None,
        (*notes, *nodes.notes, *((_ROUNDS,) if steps else ()), *_notes(framework, precision, reduce_range)),
        file.quantisation,
        reduce_range if framework == "onnxruntime" and precision in ("int8", "int8_mixed") else None,
    )


def _tensorflow_file(
    detector: _Detector, graph_kind: str, precision: str, pixels: Sequence[UInt8], reduce_range: bool
) -> QuantisedFile:
    graph_def = detector.heads if graph_kind == "heads" else _detection_graph(detector)
    return QuantisedFile(graph_def.SerializeToString(deterministic=True))


def _tflite_file(
    detector: _Detector, graph_kind: str, precision: str, pixels: Sequence[UInt8], reduce_range: bool
) -> QuantisedFile:
    from ssdbench.conversion.tflite_losses import int8_facts
    from ssdbench.conversion.to_tflite import convert_tflite, detection_ending, heads_alone

    row = detector.row
    ending = heads_alone if graph_kind == "heads" else detection_ending(detector.anchors, row)
    made = convert_tflite(detector.heads, ending, row, precision, pixels)
    if precision != "int8":
        return QuantisedFile(made.data)
    return QuantisedFile(made.data, int8_facts(made.calibrated, pixels, head_layout(row)))


def _onnx_file(
    detector: _Detector, graph_kind: str, precision: str, pixels: Sequence[UInt8], reduce_range: bool
) -> QuantisedFile:
    from ssdbench.conversion.detection_graph import IMAGE_TENSOR, OUTPUTS
    from ssdbench.conversion.to_onnx import int8_facts, onnx_of, to_fp16, to_int8, to_int8_dynamic

    if graph_kind == "heads":
        model = onnx_of(detector.heads, PIXELS, _HEADS)
    else:
        model = onnx_of(_detection_graph(detector), IMAGE_TENSOR, OUTPUTS)
    if precision == "fp16":
        model = to_fp16(model)
    facts = None
    if precision == "int8":
        floats, model = model, to_int8(model, pixels, reduce_range)
        facts = int8_facts(floats, model, pixels, reduce_range)
    if precision == "int8_dynamic":
        model = to_int8_dynamic(model)
    return QuantisedFile(model.SerializeToString(deterministic=True), facts)


_WRITERS = {"tensorflow": _tensorflow_file, "tflite": _tflite_file, "onnxruntime": _onnx_file}


def _detection_graph(detector: _Detector) -> GraphDef:
    from ssdbench.conversion.detection_graph import detection_graph

    return detection_graph(detector.heads, detector.anchors, detector.row)


def _notes(framework: str, precision: str, reduce_range: bool) -> tuple[str, ...]:
    weights = "weights in 7 bits (reduce_range)" if reduce_range else "weights in 8 bits"
    notes = {
        ("tflite", "fp16"): ("fp16 stored, fp32 computed where the CPU has no fp16 arithmetic",),
        ("onnxruntime", "fp16"): ("fp16 stored, cast to fp32 where ONNX Runtime has no fp16 kernel",),
        ("onnxruntime", "int8"): (weights,),
        ("onnxruntime", "int8_mixed"): (weights,),
        ("onnxruntime", "int8_dynamic"): ("weights per tensor; depthwise convolutions stay in fp32",),
        ("tflite", "int8_dynamic"): ("weights in 8 bits; activations quantised anew for each image",),
    }
    return notes.get((framework, precision), ())
