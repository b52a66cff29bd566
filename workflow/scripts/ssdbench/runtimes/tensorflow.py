"""TensorFlow: a frozen GraphDef or a SavedModel in a session on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow.python.saved_model.loader_impl import parse_saved_model as read_saved_model

from ssdbench.arrays import UInt8
from ssdbench.boxes.outputs import Finished, Heads
from ssdbench.errors import UserError
from ssdbench.runtimes.base import Options, Session, unloadable
from ssdbench.runtimes.graph_safety import require_computation_only
from ssdbench.runtimes.input_form import InputForm, Shape, input_form
from ssdbench.runtimes.output_ports import Ports, find_outputs


class _TensorFlowSession(Session):
    def __init__(
        self,
        path: Path,
        threads: int,
        ports: Ports,
        form: InputForm,
        session: Any,
        fetches: tuple[str, ...],
        precision: str,
    ) -> None:
        super().__init__(path, threads, ports, form)
        self._precision = "bfloat16" if precision == "bf16" else "float32"
        self._session = session
        self._call = session.make_callable(list(fetches), [form.name])

    def infer(self, pixels: UInt8) -> Heads | Finished:
        return self.outputs(self._call(self.form.feed(pixels)))

    def facts(self) -> dict[str, Any]:
        return {
            "runtime": "TensorFlow",
            "version": tf.__version__,
            "provider": "CPU",
            "threads_set": {"intra_op": self.threads, "inter_op": 1},
            "input": self.form.meaning,
            "inference_precision": self._precision,
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "default"),
        }


def open_session(path: Path, options: Options) -> Session:
    """Load a frozen graph (.pb) or a SavedModel (its folder, or the saved_model.pb in it).

    Raises:
        UserError: not such a file, or not an SSD with one image input.
    """
    # The threads of TensorFlow's intra-op pool are those of the first session in a process, and all sessions share it,
    # each with its caller. Sessions side by side need an inter-op thread of their own, or they take turns.
    # The rest is TensorFlow's own choice, which was the fastest: SSDLite on one thread took 1.1 times as long without
    # the graph optimiser and in batches of 8, 1.4 without oneDNN, 16 with XLA; NCHW and aggressive rewriting gained
    # nothing (2026-11, AVX-512, TensorFlow 2.21, medians of three processes each in turn).
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=options.threads,
        inter_op_parallelism_threads=1,
        use_per_session_threads=True,
        device_count={"GPU": 0},
    )
    if options.precision == "bf16":
        config.graph_options.rewrite_options.auto_mixed_precision_onednn_bfloat16 = RewriterConfig.ON
    session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
    folder = path.parent if path.name == "saved_model.pb" else path
    try:
        with session.graph.as_default():
            if folder.is_dir():
                inputs, outputs = _load_saved_model(session, folder)
            else:
                inputs, outputs = _load_frozen_graph(session, path)
    except (OSError, DecodeError, ValueError, KeyError, RuntimeError, tf.errors.OpError) as error:
        raise unloadable(path, "TensorFlow", error) from error
    tensors = {name: session.graph.get_tensor_by_name(tensor) for name, tensor in (inputs | outputs).items()}
    form = input_form(
        path, {inputs[n]: (tensors[n].dtype.name, _shape(tensors[n])) for n in inputs}, options.normalisation
    )
    ports = find_outputs(path, {n: _shape(tensors[n]) for n in outputs})
    fetches = tuple(outputs[n] for n in ports.names)
    if options.precision == "bf16" and not _computes_bfloat16(session, form, fetches):
        raise UserError(f"TensorFlow computes nothing of {path} in bfloat16 on this CPU.")
    return _TensorFlowSession(path, options.threads, ports, form, session, fetches, options.precision)


def _computes_bfloat16(session: Any, form: InputForm, fetches: tuple[str, ...]) -> bool:
    """Whether the graph that runs, after the optimisations of this machine, has convolutions in bfloat16."""
    pixels = np.zeros((form.batch or 1, *(form.size or (64, 64)), 3), np.uint8)
    ran = tf.compat.v1.RunMetadata()
    session.run(
        list(fetches),
        {form.name: form.feed(pixels)},
        options=tf.compat.v1.RunOptions(output_partition_graphs=True),
        run_metadata=ran,
    )
    nodes = [node for graph in ran.partition_graphs for node in graph.node if "Conv2D" in node.op]
    return any(node.attr["T"].type == tf.bfloat16.as_datatype_enum for node in nodes)


def _load_frozen_graph(session: Any, path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Import a GraphDef: its placeholders and the ends that nothing consumes, each as {name: tensor name}."""
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(path.read_bytes())
    if not graph_def.node:
        raise ValueError("it holds no graph.")
    require_computation_only(graph_def, path)
    tf.import_graph_def(graph_def, name="")
    operations = [op for op in session.graph.get_operations() if op.outputs]
    inputs = [op for op in operations if op.type == "Placeholder"]
    ends = [op for op in operations if not any(tensor.consumers() for tensor in op.outputs)]
    return {op.name: op.outputs[0].name for op in inputs}, {op.name: op.outputs[0].name for op in ends}


def _load_saved_model(session: Any, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Load a SavedModel: inputs and outputs of its serving signature, each as {name: tensor name}."""
    saved = tf.compat.v1.saved_model
    for meta in read_saved_model(folder).meta_graphs:
        require_computation_only(meta.graph_def, folder, saved_model=True)
    meta_graph = saved.load(session, [saved.tag_constants.SERVING], str(folder))
    signature = meta_graph.signature_def.get(saved.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY)
    if signature is None:
        raise ValueError("it has no serving_default signature.")
    return (
        {name: info.name for name, info in signature.inputs.items()},
        {name: info.name for name, info in signature.outputs.items()},
    )


def _shape(tensor: Any) -> Shape:
    return tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else ()
