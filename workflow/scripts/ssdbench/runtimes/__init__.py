"""Inference frameworks behind one class, each in a module that is imported only when it is asked for."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import MappingProxyType
from typing import cast

from ssdbench.errors import UserError
from ssdbench.runtimes.base import Session

# framework -> module here with open_session(path, threads). A new framework is one module and one line.
MODULES = MappingProxyType(
    {
        "tensorflow": "tensorflow",
        "tflite": "tflite",
        "onnxruntime": "onnxruntime",
    }
)


def open_session(framework: str, path: Path, threads: int) -> Session:
    """Load the model file at `path` into `framework`, its pools set to `threads` threads.

    Open one framework per process: their thread pools and memory would disturb one another.

    Raises:
        UserError: unknown framework, framework not installed, or a file that it cannot run as an SSD.
    """
    if framework not in MODULES:
        raise UserError(f"Framework {framework!r} is not known. Use one of: {', '.join(MODULES)}.")
    if threads < 1:
        raise UserError(f"{threads} threads were asked for. Use 1 or more.")
    if not path.exists():
        raise UserError(f"Model {path} does not exist. Check the path, or make the artifact again.")
    try:
        module = importlib.import_module(f"{__name__}.{MODULES[framework]}")
        return cast(Session, module.open_session(path, threads))
    except ImportError as error:
        raise UserError(
            f"Framework {framework} cannot be imported ({error}). "
            "Install the packages of envs/requirements.txt."
        ) from error
