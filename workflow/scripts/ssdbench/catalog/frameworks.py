"""The table of frameworks: what each runs, from which packages, in which file. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ssdbench.errors import UserError


@dataclass(frozen=True)
class Framework:
    """One inference framework, or a variant of one (`tflite-builtin`).

    module: its module in ssdbench.runtimes. model_file: name of an artifact's model file. packages: distributions
    that run it; converters: those that make its artifacts. artifacts: graph kind -> precisions that it runs.
    seconds_per_image: rough, on one core, for forecasts only. artifact_of: the framework whose artifacts it runs,
    empty for its own. fixes_batch: an artifact is made for one batch, so that each batch needs one of its own.
    provider: what its onnxruntime must have been built with, and install: how to get that.
    """

    module: str
    model_file: str
    packages: tuple[str, ...]
    converters: tuple[str, ...]
    artifacts: Mapping[str, tuple[str, ...]]
    seconds_per_image: float
    artifact_of: str = ""
    fixes_batch: bool = False
    provider: str = ""
    install: str = ""


# Precisions whose files are made with calibration images.
CALIBRATED = ("int8", "int8_mixed")


def frameworks() -> dict[str, Framework]:
    """All frameworks by name."""
    tflite = Framework(
        "tflite",
        "model.tflite",
        ("ai-edge-litert", "numpy"),
        ("tensorflow", "ai-edge-litert"),
        {"heads": ("fp32", "fp16", "int8", "int8_mixed", "int8_dynamic"), "graph": ("fp32", "int8")},
        0.03,
        fixes_batch=True,
    )
    onnxruntime = Framework(
        "onnxruntime",
        "model.onnx",
        ("onnxruntime", "numpy"),
        ("tensorflow", "tf2onnx", "onnx", "onnxruntime"),
        {"heads": ("fp32", "fp16", "int8", "int8_mixed", "int8_dynamic"), "graph": ("fp32", "int8")},
        0.03,
    )
    of_onnxruntime = replace(onnxruntime, artifact_of="onnxruntime")
    return {
        "tensorflow": Framework(
            "tensorflow",
            "model.pb",
            ("tensorflow", "numpy"),
            ("tensorflow",),
            {"heads": ("fp32", "bf16"), "graph": ("fp32",)},
            0.05,
        ),
        "tflite": tflite,
        "onnxruntime": onnxruntime,
        "openvino": replace(
            of_onnxruntime,
            module="openvino",
            packages=("openvino", "numpy"),
            artifacts={"heads": ("fp32", "fp16", "int8", "int8_mixed", "bf16"), "graph": ("fp32", "int8")},
        ),
        "opencv": replace(
            of_onnxruntime,
            module="opencv",
            packages=("opencv-python-headless", "numpy"),
            artifacts={"heads": ("fp32",)},  # it dies in graphs that find nothing, see its module
            seconds_per_image=0.1,
        ),
        "tflite-builtin": replace(tflite, artifact_of="tflite", seconds_per_image=0.1),
        "onnxruntime-xnnpack": replace(
            of_onnxruntime,
            artifacts={"heads": ("fp32", "int8"), "graph": ("fp32",)},
            provider="XnnpackExecutionProvider",
            install="no package index has one for Linux; build it from its source with "
            "`./build.sh --config Release --use_xnnpack --build_wheel` and `python -m pip install` the wheel",
        ),
        "onnxruntime-cuda": replace(
            of_onnxruntime,
            artifacts={"heads": ("fp32", "fp16"), "graph": ("fp32",)},
            provider="CUDAExecutionProvider",
            install="python -m pip uninstall -y onnxruntime && python -m pip install onnxruntime-gpu",
        ),
    }


def framework(name: str) -> Framework:
    """The framework of that name. Raises UserError where there is none."""
    table = frameworks()
    if name not in table:
        raise UserError(f"Framework {name!r} is not known. Use one of: {', '.join(table)}.")
    return table[name]


def artifact_of(name: str, precision: str) -> tuple[str, str]:
    """Framework and precision of the artifact that a cell runs: mostly its own.

    bf16 is computed in, not stored: the file holds fp32.
    """
    return framework(name).artifact_of or name, "fp32" if precision == "bf16" else precision
