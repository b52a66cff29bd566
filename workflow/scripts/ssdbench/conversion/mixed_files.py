"""int8_mixed files: candidates in each framework's format, and the search among them."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssdbench.arrays import Float32, UInt8, spread
from ssdbench.catalog.registry import ModelRow
from ssdbench.conversion import check_conversion
from ssdbench.conversion.cut_heads import BOX_ENCODINGS, CLASS_SCORES, PIXELS
from ssdbench.conversion.find_nodes import head_layout
from ssdbench.conversion.layer_losses import short_name
from ssdbench.conversion.mixed_search import Kept, search
from ssdbench.runtimes import open_session

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_LOG = logging.getLogger(__name__)

_EFFECT_IMAGES = 2  # each is run once for every layer

# The part of the layers that may stay in floats: with more, the speed that int8 is for is gone. On SSDLite MobileNet
# v2, 4 of 98 layers make ONNX Runtime a quarter slower, and 12 make TFLite a tenth slower.
_MOST_SHARE = {"onnxruntime": 1 / 24, "tflite": 1 / 8}

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
class Candidates:
    """What int8_mixed files can be made of a network.

    order: layers, the one that costs most in int8 first. make: the file with some of them in floats. facts: its.
    """

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
        ranges = Path(folder, "ranges.json")
        if framework == "onnxruntime":
            candidates = onnx_candidates(_onnx(heads), pixels, reduce_range, ranges)
        else:
            candidates = _tflite(heads, row, pixels, ranges)
        worst = ", ".join(short_name(layer) for layer in candidates.order[:10])
        _LOG.info("Layers by what they cost in int8, the worst first: %s, ...", worst)
        files: dict[int, bytes] = {}

        def judged(number: int) -> Kept:
            files[number] = candidates.make(candidates.order[:number])
            path.write_bytes(files[number])
            return judge(check_conversion.run_all(open_session(framework, path, 1), pixels))

        most = max(1, int(len(candidates.order) * _MOST_SHARE[framework]))
        outcome = search(most, judged, share)
        chosen = candidates.order[: outcome.best.in_floats]
        facts = candidates.facts(chosen)
    facts |= {"ranges": "without outliers", "biases": "corrected"}
    facts["search"] = {**asdict(outcome), "is_kept": outcome.is_kept, "order": candidates.order}
    words = f"ranges without outliers, biases that make up for rounded weights, {outcome.words}"
    return QuantisedFile(files[outcome.best.in_floats], facts, words)


def onnx_candidates(model: Any, pixels: Sequence[UInt8], reduce_range: bool, ranges: Path) -> Candidates:
    """The candidates in ONNX. All of them have ranges without outliers, and biases that make up for rounded weights.

    Args:
        model: fp32. pixels: uint8 RGB [S, S, 3]. ranges: a file that is written.
    """
    from ssdbench.conversion.onnx_tuning import bias_shifts, with_biases, write_ranges
    from ssdbench.conversion.to_onnx import INTEGER_OPERATORS, int8_facts, int8_layers, to_int8

    layers = int8_layers(model)
    write_ranges(model, INTEGER_OPERATORS, pixels, ranges)
    shifts = bias_shifts(model, to_int8(model, pixels, reduce_range, ranges=ranges), pixels)

    @cache  # the first one orders the layers, too, and the best one is asked for its facts
    def quantised(in_floats: tuple[str, ...]) -> Any:
        nodes = {name for layer in in_floats for name in layers[layer]}
        return to_int8(with_biases(model, shifts, nodes), pixels, reduce_range, in_floats, ranges)

    def make(in_floats: Sequence[str]) -> bytes:
        data: bytes = quantised(tuple(in_floats)).SerializeToString(deterministic=True)
        return data

    effects = _effects(model, quantised(()), pixels)
    return Candidates(
        sorted(effects, key=lambda layer: (-effects[layer], layer)),
        make,
        lambda in_floats: int8_facts(model, quantised(tuple(in_floats)), pixels, reduce_range, in_floats),
    )


def _onnx(heads: GraphDef) -> Any:
    from ssdbench.conversion.to_onnx import onnx_of

    return onnx_of(heads, PIXELS, (BOX_ENCODINGS, CLASS_SCORES))


def _tflite(heads: GraphDef, row: ModelRow, pixels: Sequence[UInt8], ranges: Path) -> Candidates:
    """The candidates in TFLite, with such ranges and biases, too.

    What a layer does to the heads is told by the same network in ONNX: TFLite gives no way to move a tensor, and both
    quantise to 8 bits, weights per channel. Layers that ONNX does not have come last.
    """
    from ssdbench.conversion.tflite_losses import int8_facts, layers_of
    from ssdbench.conversion.tflite_tuning import bias_shifts, with_biases, without_outliers
    from ssdbench.conversion.to_tflite import convert_tflite, heads_alone, mixed_file

    in_onnx = onnx_candidates(_onnx(heads), pixels, reduce_range=False, ranges=ranges).order
    rank = {layer.partition(":")[0]: number for number, layer in enumerate(in_onnx)}
    layout = head_layout(row)
    calibrated = convert_tflite(heads, heads_alone, row, "int8", pixels).calibrated
    calibrated = without_outliers(calibrated, pixels, layout)
    shifts = bias_shifts(calibrated, pixels, layout)
    return Candidates(
        sorted(layers_of(calibrated), key=lambda layer: (rank.get(layer.split(";")[0], len(rank)), layer)),
        lambda in_floats: mixed_file(with_biases(calibrated, shifts, in_floats), in_floats),
        lambda in_floats: int8_facts(calibrated, pixels, layout, in_floats),
    )


def _effects(model: Any, integers: Any, pixels: Sequence[UInt8]) -> dict[str, float]:
    from ssdbench.conversion.head_effects import head_effects
    from ssdbench.conversion.to_onnx import int8_layers

    images = [pixels[index] for index in spread(len(pixels), _EFFECT_IMAGES)]
    return head_effects(model, integers, int8_layers(model), images)
