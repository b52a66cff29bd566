"""OpenVINO: an .onnx file or an IR on its CPU plugin, computed in the precision that the cell names."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino as ov

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.errors import UserError
from ssdbench.runtimes.base import Options, Session, unloadable
from ssdbench.runtimes.input_form import InputForm, Shape, input_form
from ssdbench.runtimes.output_ports import GRAPH_OUTPUTS, HEADS_OUTPUTS, Ports, find_outputs

# Layers of the compiled graph that compute nothing: they hold, move or convert numbers.
_NO_COMPUTING = ("Const", "Input", "Output", "Reorder", "Reshape", "Transpose", "Convert", "Concatenation", "Split")


class _OpenVinoSession(Session):
    def __init__(
        self,
        path: Path,
        options: Options,
        ports: Ports,
        form: InputForm,
        compiled: Any,
    ) -> None:
        super().__init__(path, options.threads, ports, form)
        self._precision, self._compiled = options.precision, compiled
        self._request = compiled.create_infer_request()
        self._outputs = [next(port for port in compiled.outputs if _name(port) == name) for name in ports.names]

    def infer(self, pixels: UInt8) -> Heads | Finished:
        # The input is read where it lies; the outputs are copied, since the request reuses their memory.
        results = self._request.infer([self.form.feed(pixels)], share_inputs=True)
        return self.outputs([results[port] for port in self._outputs])

    def facts(self) -> dict[str, Any]:
        layers = [_layer(node) for node in self._compiled.get_runtime_model().get_ops()]
        computing = [precision for kind, precision in layers if kind not in _NO_COMPUTING]
        integer = sum(precision in ("u8", "i8") for precision in computing)
        operators = Counter(f"{kind} {precision}" for kind, precision in layers if kind != "Const")
        return {
            "runtime": "OpenVINO",
            "version": version("openvino"),
            "provider": "CPU",
            "inference_precision": self._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name(),
            **({"int8_share": round(integer / len(computing), 4)} if self._precision in ("int8", "int8_mixed") else {}),
            "threads_set": {
                "inference": self._compiled.get_property("INFERENCE_NUM_THREADS"),
                "streams": self._compiled.get_property("NUM_STREAMS"),
            },
            "input": self.form.meaning,
            "operators": dict(sorted(operators.items())),
        }


def open_session(path: Path, options: Options) -> Session:
    """Load an .onnx file or an IR (.xml with its .bin) of either graph kind.

    Raises:
        UserError: not such a file, not an SSD with one image input, or bf16 on a CPU without it.
    """
    core = ov.Core()
    wanted = _inference_precision(options.precision, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    try:
        compiled = core.compile_model(
            core.read_model(str(path)),
            "CPU",
            {
                # Left to itself, it computes an fp32 file in bfloat16 on CPUs that can.
                "INFERENCE_PRECISION_HINT": wanted,
                "INFERENCE_NUM_THREADS": options.threads,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,  # sessions side by side would be pinned to the same cores
            },
        )
    except RuntimeError as error:
        raise unloadable(path, "OpenVINO", _without_places(error)) from error
    ran = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    if ran != wanted:
        raise UserError(f"OpenVINO computes in {ran} here and not in {wanted}, which {options.precision} means.")
    inputs = {_name(i): (i.get_element_type().to_dtype().name, _shape(i)) for i in compiled.inputs}
    form = input_form(path, inputs, options.normalisation)
    ports = find_outputs(path, {_name(o): _shape(o) for o in compiled.outputs})
    return _OpenVinoSession(path, options, ports, form, compiled)


def _inference_precision(precision: str, capabilities: list[str]) -> str:
    """What the operators that are not int8 compute in. Half precision is computed where the CPU can, else fp32 is:
    asked for it elsewhere, OpenVINO computes in bfloat16."""
    if precision == "bf16":
        if "BF16" not in capabilities:
            raise UserError("OpenVINO finds no bfloat16 arithmetic on this CPU (avx512_bf16 or amx_bf16).")
        return "bf16"
    return "f16" if precision == "fp16" and "FP16" in capabilities else "f32"


def _layer(node: Any) -> tuple[str, str]:
    """Kind and precision of a layer of a compiled graph."""
    facts = node.get_rt_info()
    return facts["layerType"].astype(str), facts["runtimePrecision"].astype(str)


def _without_places(error: RuntimeError) -> RuntimeError:
    """The error without the lines that name places in OpenVINO's own source."""
    lines = [
        line for line in str(error).splitlines() if line.strip() and not line.startswith(("Exception from", "Check "))
    ]
    return RuntimeError(" ".join(lines))


def _name(port: Any) -> str:
    """The name of an input or output: where passes left it several, the one that says what it is."""
    names: list[str] = sorted(port.get_names()) or [port.get_node().get_friendly_name()]
    return next((name for name in names if name.split(":")[0] in (*HEADS_OUTPUTS, *GRAPH_OUTPUTS)), names[0])


def _shape(port: Any) -> Shape:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return ()
    return tuple(None if dim.is_dynamic else dim.get_length() for dim in shape)
