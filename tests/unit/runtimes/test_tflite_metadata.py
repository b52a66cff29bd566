"""Mean and deviation in the metadata of a .tflite file, written here with flatbuffers' own builder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from ssdbench.catalog.normalisation import Normalisation
from ssdbench.runtimes.tflite_metadata import stated_normalisation

# metadata_schema.fbs of tensorflow/tflite-support: the place of a field in its table, of how many.
SUBGRAPHS, INPUTS, UNITS = (3, 8), (2, 8), (4, 8)
NORMALISATION, SCORE_CALIBRATION = 1, 2


def table(builder: flatbuffers.Builder, fields: int, **offsets: int) -> int:
    """A table with offsets in some places: at0=... at1=..."""
    builder.StartObject(fields)
    for place, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(int(place.removeprefix("at")), offset, 0)
    return int(builder.EndObject())


def vector(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def floats(builder: flatbuffers.Builder, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def unit(builder: flatbuffers.Builder, kind: int, options: int) -> int:
    builder.StartObject(2)
    builder.PrependUint8Slot(0, kind, 0)
    builder.PrependUOffsetTRelativeSlot(1, options, 0)
    return int(builder.EndObject())


def metadata(mean: Sequence[float], std: Sequence[float], kind: int = NORMALISATION) -> bytes:
    """Metadata whose input has another unit first, and then the normalisation."""
    builder = flatbuffers.Builder(0)
    other = unit(builder, SCORE_CALIBRATION, table(builder, 2))
    options = table(builder, 2, at0=floats(builder, mean), at1=floats(builder, std))
    units = vector(builder, [other, unit(builder, kind, options)])
    tensor = table(builder, UNITS[1], **{f"at{UNITS[0]}": units})
    graph = table(builder, INPUTS[1], **{f"at{INPUTS[0]}": vector(builder, [tensor])})
    builder.Finish(table(builder, SUBGRAPHS[1], **{f"at{SUBGRAPHS[0]}": vector(builder, [graph])}), b"M001")
    return bytes(builder.Output())


def tflite_file(path: Path, **buffers: bytes) -> Path:
    """A model without a graph, with metadata by name."""
    model = schema.ModelT()
    model.version, model.buffers, model.metadata = 3, [schema.BufferT()], []
    for name, data in buffers.items():
        entry, buffer = schema.MetadataT(), schema.BufferT()
        entry.name, entry.buffer, buffer.data = name, len(model.buffers), list(data)
        model.metadata.append(entry)
        model.buffers.append(buffer)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    return path


@pytest.mark.parametrize(
    ("mean", "std"), [([127.5], [127.5]), ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]), ([0.0], [1.0])]
)
def test_mean_and_deviation_are_read(mean: list[float], std: list[float], tmp_path: Path) -> None:
    path = tflite_file(tmp_path / "x.tflite", min_runtime_version=b"1.5.0", TFLITE_METADATA=metadata(mean, std))
    found = stated_normalisation(path)
    assert found is not None
    assert found.mean == pytest.approx([*mean * (3 // len(mean))], abs=1e-4)
    assert found.std == pytest.approx([*std * (3 // len(std))], rel=1e-6)


def test_numbers_that_cannot_be_a_normalisation_are_not_taken(tmp_path: Path) -> None:
    for mean, std in (([127.5], [0.0]), ([1.0, 2.0], [1.0]), ([], [1.0]), ([0.0], [-1.0])):
        assert stated_normalisation(tflite_file(tmp_path / "x", TFLITE_METADATA=metadata(mean, std))) is None
    other = metadata([1.0], [2.0], SCORE_CALIBRATION)
    assert stated_normalisation(tflite_file(tmp_path / "x", TFLITE_METADATA=other)) is None


def test_a_file_without_metadata_states_nothing(tmp_path: Path) -> None:
    assert stated_normalisation(tflite_file(tmp_path / "x", min_runtime_version=b"1.5.0")) is None
    empty = flatbuffers.Builder(0)
    empty.Finish(table(empty, SUBGRAPHS[1]), b"M001")
    assert stated_normalisation(tflite_file(tmp_path / "x", TFLITE_METADATA=bytes(empty.Output()))) is None


def test_damaged_metadata_state_nothing_and_do_not_stop_the_run(tmp_path: Path) -> None:
    whole = metadata([127.5], [127.5])
    for length in range(0, len(whole) - 8, 3):
        stated_normalisation(tflite_file(tmp_path / "x", TFLITE_METADATA=whole[:length]))
    assert stated_normalisation(tflite_file(tmp_path / "x", TFLITE_METADATA=whole[:40])) is None


def test_equal_channels_are_one_number(tmp_path: Path) -> None:
    path = tflite_file(tmp_path / "x", TFLITE_METADATA=metadata([127.5] * 3, [127.5] * 3))
    assert stated_normalisation(path) == Normalisation.of_mean_and_std(127.5, 127.5)
