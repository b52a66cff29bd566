"""int8_mixed files: candidates in each framework's format, and the search among them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssdbench.arrays import Float32, UInt8, spread
from ssdbench.catalog.registry import ModelRow
from ssdbench.conversion import check_conversion
from ssdbench.conversion.cut_heads import BOX_ENCODINGS, CLASS_SCORES, PIXELS
from ssdbench.conversion.find_nodes import head_layout
from ssdbench.conversion.layer_losses import short_name
from ssdbench.conversion.mixed_search import MOST_SHARE, Kept, search
from ssdbench.runtimes import open_session

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_LOG = logging.getLogger(__name__)

_EFFECT_IMAGES = 2  # each is run once for every layer

# What a candidate keeps, from its heads for each image.
Judge = Callable[[Sequence[Any]], Kept]


@dataclass(frozen=True)
class Goal:
    """What an int8_mixed file is to keep. share: of fp32's AP, 0 to 1. of: gives the judge of fp32's heads for each
    image, and anchors [A, 4]."""

    share: float
    judge_of: Callable[[Sequence[Any], Float32], Judge]

    def of(self, reference: Sequence[Any], anchors: Float32) -> tuple[float, Judge]:
        """The share, and what judges candidates."""
        return self.share, self.judge_of(reference, anchors)


@dataclass(frozen=True)
class QuantisedFile:
    """A model file. quantisation: of int8, how it is quantised and what its layers lose (see `layer_losses`). words: of
    int8_mixed, what the search came to."""

    data: bytes
    quantisation: dict[str, Any] | None = None
    words: str = ""


@dataclass(frozen=True)
class _Candidates:
    """order: layers, the one that costs most in int8 first. make: the file with some of them in floats. facts: its."""

    order: list[str]
    make: Callable[[Sequence[str]], bytes]
    facts: Callable[[Sequence[str]], dict[str, Any]]


def mixed_file(
    framework: str,
    heads: GraphDef,
    row: ModelRow,
    pixels: Sequence[UInt8],
    reduce_range: bool,
    goal: tuple[float, Judge],
    path: Path,
) -> QuantisedFile:
    """The int8 file with the fewest layers in floats that keeps the share, or the best one that was tried.

    Args:
        pixels: uint8 RGB [S, S, 3], what it is calibrated with and judged on.
        reduce_range: 7-bit weights in ONNX files.
        goal: the share of fp32's AP to keep, and what judges candidates.
        path: where candidates are written to be run.
    """
    share, judge = goal
    with tempfile.TemporaryDirectory() as folder:
        if framework == "onnxruntime":
            candidates = _onnx(heads, pixels, reduce_range, Path(folder, "ranges.json"))
        else:
            candidates = _tflite(heads, row, pixels)
        worst = ", ".join(short_name(layer) for layer in candidates.order[:10])
        _LOG.info("Layers by what they cost in int8, the worst first: %s, ...", worst)
        files: dict[int, bytes] = {}

        def judged(number: int) -> Kept:
            files[number] = candidates.make(candidates.order[:number])
            path.write_bytes(files[number])
            return judge(check_conversion.run_all(open_session(framework, path, 1), pixels))

        outcome = search(int(len(candidates.order) * MOST_SHARE), judged, share)
        chosen = candidates.order[: outcome.best.in_floats]
        facts = candidates.facts(chosen)
    facts["search"] = {**asdict(outcome), "is_kept": outcome.is_kept, "order": candidates.order}
    return QuantisedFile(files[outcome.best.in_floats], facts, outcome.words)


def _onnx(heads: GraphDef, pixels: Sequence[UInt8], reduce_range: bool, ranges: Path) -> _Candidates:
    from ssdbench.conversion.to_onnx import int8_facts, onnx_of, to_int8

    model = onnx_of(heads, PIXELS, (BOX_ENCODINGS, CLASS_SCORES))

    def quantised(in_floats: Sequence[str]) -> Any:
        return to_int8(model, pixels, reduce_range, in_floats, ranges)

    def make(in_floats: Sequence[str]) -> bytes:
        data: bytes = quantised(in_floats).SerializeToString(deterministic=True)
        return data

    def facts(in_floats: Sequence[str]) -> dict[str, Any]:
        return int8_facts(model, quantised(in_floats), pixels, reduce_range, in_floats)

    effects = _effects(model, quantised([]), pixels)
    return _Candidates(sorted(effects, key=lambda layer: (-effects[layer], layer)), make, facts)


def _tflite(heads: GraphDef, row: ModelRow, pixels: Sequence[UInt8]) -> _Candidates:
    """The candidates in TFLite. What a layer does to the heads is told by the same network in ONNX: TFLite gives no way
    to move a tensor, and both quantise to 8 bits, weights per channel. Layers that ONNX does not have come last.
    """
    from ssdbench.conversion.tflite_losses import int8_facts, layers_of
    from ssdbench.conversion.to_onnx import onnx_of, to_int8
    from ssdbench.conversion.to_tflite import convert_tflite, heads_alone, mixed_file

    model = onnx_of(heads, PIXELS, (BOX_ENCODINGS, CLASS_SCORES))
    found = _effects(model, to_int8(model, pixels, reduce_range=False), pixels)
    effects = {name.partition(":")[0]: effect for name, effect in found.items()}
    calibrated = convert_tflite(heads, heads_alone, row, "int8", pixels).calibrated
    layers = layers_of(calibrated)
    order = sorted(layers, key=lambda layer: (-effects.get(layer.split(";")[0], 0.0), layer))
    return _Candidates(
        order,
        lambda in_floats: mixed_file(calibrated, in_floats),
        lambda in_floats: int8_facts(calibrated, pixels, head_layout(row), in_floats),
    )


def _effects(model: Any, integers: Any, pixels: Sequence[UInt8]) -> dict[str, float]:
    from ssdbench.conversion.head_effects import head_effects
    from ssdbench.conversion.to_onnx import int8_layers

    images = [pixels[index] for index in spread(len(pixels), _EFFECT_IMAGES)]
    return head_effects(model, integers, int8_layers(model), images)
