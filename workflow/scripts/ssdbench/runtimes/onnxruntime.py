"""ONNX Runtime: an .onnx file on the CPU execution provider, or on another with the CPU for what that lacks."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import onnxruntime as ort

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.errors import UserError
from ssdbench.runtimes.base import Options, Session, unloadable
from ssdbench.runtimes.input_form import InputForm, Shape, input_form
from ssdbench.runtimes.output_ports import Ports, find_outputs

_CPU = "CPUExecutionProvider"
# By variant, the one to ask first.
_PROVIDERS = {
    "": [_CPU],
    "xnnpack": ["XnnpackExecutionProvider", _CPU],
    "cuda": ["CUDAExecutionProvider", _CPU],
}
_DTYPES = {"tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(float)": "float32", "tensor(float16)": "float16"}


class _OnnxSession(Session):
    def __init__(
        self,
        path: Path,
        threads: int,
        ports: Ports,
        form: InputForm,
        session: ort.InferenceSession,
    ) -> None:
        super().__init__(path, threads, ports, form)
        self._session, self._names = session, list(ports.names)

    def infer(self, pixels: UInt8) -> Heads | Finished:
        return self.outputs(self._session.run(self._names, {self.form.name: self.form.feed(pixels)}))

    def facts(self) -> dict[str, Any]:
        return {
            "runtime": "ONNX Runtime",
            "version": ort.__version__,
            "provider": ", ".join(self._session.get_providers()),
            "threads_set": {"intra_op": self.threads, "inter_op": 1},
            "spinning": "within a run only" if self.threads > 1 else "no pool",
            "input": self.form.meaning,
            **self._operators_that_run(),
        }

    def _operators_that_run(self) -> dict[str, Any]:
        """The operators that the optimisations of this machine leave, by type, and their casts to floats."""
        import onnx

        with tempfile.TemporaryDirectory() as folder:
            optimised = Path(folder) / "optimised.onnx"
            options = _options(self.threads)
            options.optimized_model_filepath = str(optimised)
            ort.InferenceSession(str(self.path), options, providers=self._session.get_providers())
            nodes = onnx.load(str(optimised), load_external_data=False).graph.node
        floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
        casts = [node for node in nodes if node.op_type == "Cast" and node.attribute[0].i in floats]
        return {
            "float_casts": len(casts),
            "operators": dict(sorted(Counter(node.op_type for node in nodes).items())),
        }


def open_session(path: Path, options: Options) -> Session:
    """Load an .onnx file of either graph kind.

    Raises:
        UserError: not such a file, or not an SSD with one image input.
    """
    providers = _PROVIDERS[options.variant]
    if providers[0] not in ort.get_available_providers():
        raise UserError(f"The onnxruntime that is installed has no {providers[0]}.")
    try:
        session = ort.InferenceSession(str(path), _options(options.threads), providers=providers)
    except Exception as error:  # its exceptions share no base class
        raise unloadable(path, "ONNX Runtime", error) from error
    if session.get_providers() != providers:  # it goes on with the CPU alone where a provider does not start
        raise UserError(f"ONNX Runtime runs {path} in {', '.join(session.get_providers())} and not in {providers[0]}.")
    inputs = {i.name: (_DTYPES.get(i.type, i.type), _shape(i)) for i in session.get_inputs()}
    form = input_form(path, inputs, options.normalisation)
    ports = find_outputs(path, {o.name: _shape(o) for o in session.get_outputs()})
    return _OnnxSession(path, options.threads, ports, form, session)


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors only: it warns of much that is as it should be, hundreds of lines at times
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    # Spinning within a run is the default and hands work over fast; between runs it would take the cores from
    # the decoding and the post-processing that go on then.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _shape(value: Any) -> Shape:
    return tuple(d if isinstance(d, int) else None for d in value.shape)
