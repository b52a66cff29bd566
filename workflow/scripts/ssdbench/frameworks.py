"""The table of frameworks: what each runs, from which packages, in which file. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ssdbench.errors import UserError


@dataclass(frozen=True)
class Framework:
    """One inference framework.

    module: its module in ssdbench.runtimes. model_file: name of an artifact's model file. packages: distributions
    that run it; converters: those that make its artifacts. artifacts: graph kind -> precisions there are.
    seconds_per_image: rough, on one core, for forecasts only.
    """

    module: str
    model_file: str
    packages: tuple[str, ...]
    converters: tuple[str, ...]
    artifacts: Mapping[str, tuple[str, ...]]
    seconds_per_image: float


def frameworks() -> dict[str, Framework]:
    """All frameworks by name."""
    return {
        "tensorflow": Framework(
            "tensorflow",
            "model.pb",
            ("tensorflow", "numpy"),
            ("tensorflow",),
            {"heads": ("fp32",), "graph": ("fp32",)},
            0.05,
        ),
        "tflite": Framework(
            "tflite",
            "model.tflite",
            ("ai-edge-litert", "numpy"),
            ("tensorflow", "ai-edge-litert"),
            {"heads": ("fp32", "fp16", "int8"), "graph": ("fp32", "int8")},
            0.03,
        ),
        "onnxruntime": Framework(
            "onnxruntime",
            "model.onnx",
            ("onnxruntime", "numpy"),
            ("tensorflow", "tf2onnx", "onnx", "onnxruntime"),
            {"heads": ("fp32", "fp16", "int8"), "graph": ("fp32", "int8")},
            0.03,
        ),
    }


def framework(name: str) -> Framework:
    """The framework of that name. Raises UserError where there is none."""
    table = frameworks()
    if name not in table:
        raise UserError(f"Framework {name!r} is not known. Use one of: {', '.join(table)}.")
    return table[name]
