"""Inference frameworks behind one class, each in a module that is imported only when it is asked for."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import cast

from ssdbench.catalog.frameworks import framework as known_framework
from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.errors import UserError
from ssdbench.runtimes.base import Options, Session
from ssdbench.runtimes.model_file import require_model_file


def prepare_tensorflow() -> None:
    """Set what TensorFlow reads when it is imported: look for no GPU, print errors only, leave Keras out.

    Nothing here uses Keras, and it is a third of the import (1.2 of 3.6 s). TensorFlow goes on without it where the
    package that it is told to take, tf_keras, is not installed.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


def import_framework(framework: str) -> ModuleType:
    """Import a framework's module here and with it the framework itself, which may take seconds.

    Raises:
        UserError: unknown framework, or it is not installed.
    """
    module = known_framework(framework).module
    if framework != "onnxruntime-cuda":
        prepare_tensorflow()
    try:
        return importlib.import_module(f"{__name__}.{module}")
    except ImportError as error:
        raise UserError(
            f"Framework {framework} cannot be imported ({error}). Install the packages of envs/requirements.txt."
        ) from error


def open_session(
    framework: str,
    path: Path,
    threads: int,
    normalisation: Normalisation | None = MOBILENET_SSD,
    precision: str = "fp32",
) -> Session:
    """Load the model file at `path` into `framework`, its pools set to `threads` threads.

    normalisation: what an input means that is not of uint8 pixels; None if nobody states it, and then the session's
    `form.found_by` says what told it, or is empty. precision: of the cell.
    Open one framework per process: their thread pools and memory would disturb one another.

    Raises:
        UserError: unknown framework, framework not installed, or a file that it cannot run as an SSD.
    """
    module = import_framework(framework)
    if threads < 1:
        raise UserError(f"{threads} threads were asked for. Use 1 or more.")
    require_model_file(path, known_framework(framework).module)
    options = Options(threads, normalisation, precision, framework.partition("-")[2])
    session = cast(Session, module.open_session(path, options))
    session.settle_outputs()
    return session
