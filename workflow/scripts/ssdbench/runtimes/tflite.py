"""LiteRT (TensorFlow Lite): a .tflite file in ai_edge_litert, with its XNNPACK delegate or (builtin) without."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from ssdbench.arrays import Float32, UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.errors import UserError
from ssdbench.runtimes.base import Options, Session, unloadable
from ssdbench.runtimes.input_form import InputForm, Shape, input_form
from ssdbench.runtimes.output_ports import GRAPH_OUTPUTS, HEADS_OUTPUTS, Ports, find_outputs
from ssdbench.runtimes.tflite_metadata import stated_normalisation

_POST_PROCESS = "TFLite_Detection_PostProcess"
_RESOLVERS = {"": OpResolverType.AUTO, "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


class _TfliteSession(Session):
    counts_from_zero = True  # the operator's numbers

    def __init__(
        self,
        path: Path,
        threads: int,
        ports: Ports,
        form: InputForm,
        interpreter: Any,
        outputs: tuple[dict[str, Any], ...],
    ) -> None:
        super().__init__(path, threads, ports, form)
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._outputs = outputs

    def infer(self, pixels: UInt8) -> Heads | Finished:
        self._interpreter.set_tensor(self._input, self.form.feed(pixels))
        self._interpreter.invoke()
        return self.outputs([self._read(detail) for detail in self._outputs])

    def _read(self, detail: dict[str, Any]) -> Float32:
        values = self._interpreter.get_tensor(detail["index"])  # a copy: the interpreter reuses its memory
        real: Float32 = values.astype(np.float32, copy=False)
        scale, zero_point = detail["quantization"]
        if scale:  # 0 where the output is not quantised
            real -= np.float32(zero_point)
            real *= np.float32(scale)
        return real

    def facts(self) -> dict[str, Any]:
        # Among the listed operators is one DELEGATE for each part of the graph that XNNPACK runs.
        parts = sum(op["op_name"] == "DELEGATE" for op in self._interpreter._get_ops_details())
        quantised = [d["name"] for d in self._outputs if d["dtype"] != np.float32]
        return {
            "runtime": "LiteRT",
            "version": version("ai-edge-litert"),
            "provider": "CPU",
            "delegate": "XNNPACK" if parts else "none",
            "delegated_parts": parts,
            "threads_set": {"num_threads": self.threads},
            "input": self.form.meaning,
            "outputs": "dequantised within the network call" if quantised else "float32",
        }


def open_session(path: Path, options: Options) -> Session:
    """Load a .tflite file, of heads or with the TFLite_Detection_PostProcess operator.

    Raises:
        UserError: not such a file, or not an SSD with one image input.
    """
    try:
        interpreter = Interpreter(
            model_path=str(path),
            num_threads=options.threads,
            experimental_op_resolver_type=_RESOLVERS[options.variant],
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise unloadable(path, "LiteRT", error) from error
    inputs = {d["name"]: d for d in interpreter.get_input_details()}
    quantisation = next((d["quantization"] for d in inputs.values()), None)
    shapes = {name: (np.dtype(d["dtype"]).name, _shape(d)) for name, d in inputs.items()}
    form = input_form(path, shapes, options.normalisation, quantisation, stated_normalisation(path))
    ports, outputs = _outputs(path, interpreter)
    return _TfliteSession(path, options.threads, ports, form, interpreter, outputs)


def _outputs(path: Path, interpreter: Any) -> tuple[Ports, tuple[dict[str, Any], ...]]:
    """Ports and output details in the order of `finished` or `Heads`.

    Names and order of the file's outputs depend on the converter, the order of the post-process operator's
    own outputs does not: boxes, classes, scores, count (tensorflow/lite/kernels/detection_postprocess.cc).
    """
    details = {d["index"]: d for d in interpreter.get_output_details()}
    for op in interpreter._get_ops_details():
        if op["op_name"] == _POST_PROCESS and set(op["outputs"]) <= set(details):
            return Ports("graph", GRAPH_OUTPUTS), tuple(details[index] for index in op["outputs"])
    by_name = {d["name"]: d for d in details.values()}
    ports = find_outputs(path, {name: _shape(d) for name, d in by_name.items()})
    if ports.kind != "heads":
        raise UserError(
            f"{path} makes detections without {_POST_PROCESS}. Convert it with that operator, or cut it at "
            f"{' and '.join(HEADS_OUTPUTS)}."
        )
    return ports, tuple(by_name[name] for name in ports.names)


def _shape(detail: dict[str, Any]) -> Shape:
    return tuple(int(d) for d in detail["shape"])
