"""Names and numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from ssdbench.catalog.cell_name import CellName
from ssdbench.catalog.timing_setting import Setting
from ssdbench.coco.metric_names import METRICS

DASH = "–"
MINUS = "−"

CELL_WORDS = tuple(field.name for field in fields(CellName))


def framework_name(framework: str) -> str:
    """A framework as its makers write it; a variant such as `tflite-builtin` keeps its suffix in brackets."""
    titles = {
        "tensorflow": "TensorFlow",
        "tflite": "TFLite",
        "onnxruntime": "ONNX Runtime",
        "openvino": "OpenVINO",
        "opencv": "OpenCV",
    }
    stem, _, variant = framework.partition("-")
    if stem not in titles:
        return framework
    return f"{titles[stem]} ({variant})" if variant else titles[stem]


def cell_name(cell: Mapping[str, Any]) -> str:
    """A cell within its group: framework and precision."""
    return f"{framework_name(cell['framework'])} {cell['precision']}"


def setting_words(setting: str | None) -> str:
    """The setting `b1-t2-s1` as `batch 1 with 2 threads and 1 stream`; another text as it is."""
    known = Setting.of(setting or "")
    if known is None:
        return setting or ""
    return f"batch {known.batch} with {count(known.threads, 'thread')} and {count(known.streams, 'stream')}"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 image`, `130 images`, `5,000 images`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""


def accuracy(value: float) -> str:
    """An AP or AR: three decimals, as COCO evaluators print it."""
    return f"{value:.3f}"


def change(value: float, decimals: int = 3) -> str:
    """A signed difference of two APs with a true minus sign; what rounds to zero has no sign."""
    text = f"{abs(value):.{decimals}f}"
    if float(text) == 0:
        return text
    return ("+" if value > 0 else MINUS) + text


def interval(low: float, high: float) -> str:
    """The interval of a difference of two APs: `−0.0204 to +0.0035`; four decimals, since the limit needs them."""
    return f"{change(low, 4)} to {change(high, 4)}"


def share(value: float) -> str:
    """A ratio in percent, one decimal; the space does not break."""
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def quantity(value: float) -> str:
    """A positive measure in three significant digits, whole above 100: 6.13, 34.2, 1,204."""
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:,.{decimals}f}"


def factor(value: float) -> str:
    """A speed relative to another: 2.10, 0.94, or 12.3 from ten on."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def times(value: float) -> str:
    """A speed relative to another in words: `2.10 times`."""
    return f"{factor(value)} times"


def speed_interval(row: Mapping[str, Any]) -> str:
    """The interval of a row's speed: `95 % interval 2.06 to 2.15`."""
    return f"95\N{NO-BREAK SPACE}% interval {factor(row['speed_low'])} to {factor(row['speed_high'])}"


def shown(row: Mapping[str, Any], column: str) -> str | None:
    """The value of a summary row's column in words, None where it is missing."""
    value = row[column]
    if value is None or value == "":
        return None
    return _formats().get(column, str)(value)


def _formats() -> dict[str, Callable[[Any], str]]:
    measures = (
        "latency_p50_ms", "latency_p90_ms", "end_to_end_p50_ms", "end_to_end_p90_ms", "throughput_ips",
        "load_ms", "first_call_ms", "model_mb", "peak_rss_mb",
    )  # fmt: skip
    formats: dict[str, Callable[[Any], str]] = dict.fromkeys(METRICS, accuracy)
    formats |= dict.fromkeys(measures, quantity)
    formats |= dict.fromkeys(("speed", "speed_low", "speed_high"), factor)
    formats |= {"AP_change": change, "AP_share": share, "images": "{:,}".format, "detections": "{:,}".format}
    return formats


def one_line(text: str) -> str:
    """A text without line breaks, control characters and half characters, which XML, LaTeX and terminals lack."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
