"""OpenCV's dnn module: an .onnx file on its own CPU engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.errors import UserError
from ssdbench.runtimes.base import Options, Session, unloadable
from ssdbench.runtimes.input_form import InputForm, Shape, input_form
from ssdbench.runtimes.output_ports import Ports, find_outputs


class _OpenCvSession(Session):
    def __init__(self, path: Path, threads: int, ports: Ports, form: InputForm, net: Any) -> None:
        super().__init__(path, threads, ports, form)
        self._net, self._names = net, list(ports.names)

    def infer(self, pixels: UInt8) -> Heads | Finished:
        # OpenCV has one pool in a process: decoding and resizing get it back with the one thread they are due.
        # Sessions of one thread leave it alone; those of more, side by side, would take it from one another.
        if self.threads > 1:
            cv2.setNumThreads(self.threads)
        self._net.setInput(self.form.feed(pixels))
        outputs = self._net.forward(self._names)
        if self.threads > 1:
            cv2.setNumThreads(1)
        return self.outputs(outputs)

    def facts(self) -> dict[str, Any]:
        return {
            "runtime": "OpenCV",
            "version": cv2.__version__,
            "provider": "CPU",
            "engine": "new",
            "threads_set": {"num_threads": self.threads},
            "input": self.form.meaning,
        }


def open_session(path: Path, options: Options) -> Session:
    """Load an .onnx file of heads.

    Raises:
        UserError: not such a file, or not the heads of an SSD with one image input.
    """
    cv2.setNumThreads(1)
    try:
        graph = onnx.load(str(path), load_external_data=False).graph  # OpenCV does not tell what a file takes
        net = cv2.dnn.readNetFromONNX(str(path), cv2.dnn.ENGINE_NEW)  # the classic one reads no graph with shapes free
    except Exception as error:  # protobuf's and OpenCV's exceptions share no base class
        raise unloadable(path, "OpenCV", error) from error
    constants = {initializer.name for initializer in graph.initializer}
    inputs = {value.name: (_dtype(value), _shape(value)) for value in graph.input if value.name not in constants}
    form = input_form(path, inputs, options.normalisation)
    ports = find_outputs(path, {value.name: _shape(value) for value in graph.output})
    if ports.kind == "graph":
        # Seen with OpenCV 5.0: a signal (division by zero) at an image where nothing passes the threshold.
        raise UserError(f"{path} makes detections inside, and OpenCV dies at images without any. Give it raw heads.")
    return _OpenCvSession(path, options.threads, ports, form, net)


def _dtype(value: Any) -> str:
    return str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name)


def _shape(value: Any) -> Shape:
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim)
