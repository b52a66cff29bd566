"""What the metadata inside a .tflite file state: the mean and deviation of its input.

The format is tensorflow/tflite-support's metadata_schema.fbs, read with flatbuffers' own accessors: its generated
reader is in a package without wheels for this Python.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.table import Table

from ssdbench.catalog.normalisation import Normalisation

_NAME = b"TFLITE_METADATA"
# Places of the fields that lead there, as the schema orders them.
_SUBGRAPHS, _INPUTS, _UNITS, _OPTIONS_TYPE, _OPTIONS, _MEAN, _STD = 3, 2, 4, 0, 1, 0, 1
_NORMALISATION = 1  # of the union ProcessUnitOptions


def stated_normalisation(path: Path) -> Normalisation | None:
    """The mean and deviation, in pixel units, that a .tflite file's metadata state of its input.

    None without any. Metadata that cannot be read state nothing, so that their numbers are asked for.
    """
    data = path.read_bytes()
    if _NAME not in data:
        return None
    model = schema.Model.GetRootAs(data)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == _NAME:
            with suppress(struct.error, TypeError, ValueError, IndexError):  # what flatbuffers raises in damaged data
                return _of_metadata(bytes(model.Buffers(entry.Buffer()).DataAsNumpy()))
    return None


def _of_metadata(data: bytes) -> Normalisation | None:
    root = Table(bytearray(data), flatbuffers.encode.Get(flatbuffers.number_types.UOffsetTFlags.packer_type, data, 0))
    for graph in _tables(root, _SUBGRAPHS):
        for tensor in _tables(graph, _INPUTS):
            for unit in _tables(tensor, _UNITS):
                kind = unit.Offset(4 + 2 * _OPTIONS_TYPE)
                options = unit.Offset(4 + 2 * _OPTIONS)
                if kind and options and unit.Bytes[unit.Pos + kind] == _NORMALISATION:
                    table = Table(unit.Bytes, unit.Indirect(unit.Pos + options))
                    mean, std = _floats(table, _MEAN), _floats(table, _STD)
                    if len(mean) in (1, 3) and len(std) in (1, 3) and all(value > 0 for value in std):
                        return Normalisation.of_mean_and_std(_one_or_three(mean), _one_or_three(std))
    return None


def _tables(table: Table, field: int) -> list[Table]:
    """The tables of a vector."""
    offset = table.Offset(4 + 2 * field)
    if not offset:
        return []
    start = table.Vector(offset)
    return [Table(table.Bytes, table.Indirect(start + 4 * index)) for index in range(table.VectorLen(offset))]


def _floats(table: Table, field: int) -> list[float]:
    offset = table.Offset(4 + 2 * field)
    if not offset:
        return []
    count = table.VectorLen(offset)
    return [float(value) for value in np.frombuffer(table.Bytes, "<f4", count, table.Vector(offset))]


def _one_or_three(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values
