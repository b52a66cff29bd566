"""Takes a file that is used as it is: looks at it, copies it, and says on its card what it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ssdbench.arrays import UInt8
from ssdbench.boxes.anchors import read_anchors
from ssdbench.catalog.frameworks import frameworks
from ssdbench.catalog.registry import ModelRow
from ssdbench.catalog.support import unsupported_reason
from ssdbench.conversion.artifact import file_facts
from ssdbench.conversion.model_contents import contents_of
from ssdbench.errors import UserError
from ssdbench.files.model_files import external_data, model_files
from ssdbench.files.writing import copy_path, write_bytes
from ssdbench.inspection.look import LOOK_IMAGES, Look, Stated, look_at
from ssdbench.inspection.told import told
from ssdbench.machine.host import package_versions
from ssdbench.runtimes import open_session
from ssdbench.runtimes.base import Session


def take_file(
    row: ModelRow,
    source: Path,
    graph_kind: str,
    framework: str,
    precision: str,
    pixels: Callable[[], Iterable[UInt8]],
    destination: Path,
) -> dict[str, Any]:
    """Look at a model's own file, and put it into `destination` once it has told, or its row states, all that counts.

    Args:
        source: the file, or a SavedModel's folder.
        pixels: gives images to look at what it returns, uint8 RGB [H, W, 3].

    Returns:
        The card, but for status, reason, log, calibration and source_sha256, which the caller knows.

    Raises:
        UserError: it does not run, is not what the row says, or does not tell what the row does not state.
    """
    reason = unsupported_reason(row, graph_kind, framework, precision)
    if reason:
        raise UserError(f"This artifact of {row.name} cannot be made: {reason}.")
    images = list(pixels())[:LOOK_IMAGES]
    if not images:
        raise UserError("There are no images to look at the model with: give at least one.")
    if not source.exists():
        raise UserError(f"{source} does not exist: fetch the model again.")
    tools = frameworks()[framework]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _file_name(row, tools.model_file)
        notes = _copy(source, path)
        session = open_session(framework, path, 1, row.normalisation)
        _check_row(row, source, session, graph_kind)
        _check_precision(row, source, framework, path)
        stated = _stated(row)
        look = _look(row, source, session, stated, images)
        card = {
            "framework": framework,
            "precision": precision,
            **file_facts(framework, path),
            **told(session, look, stated, row.size),
            "reduce_range": None,
            "notes": ["the published file, untouched", *notes],
            "check": {"compared": "nothing: the published file is used untouched; it runs", "images": len(images)},
            "versions": package_versions(tools.converters),
        }
        for file in [path] if path.is_dir() else model_files(path):
            copy_path(file, destination / file.name)
    return card


def _file_name(row: ModelRow, usual: str) -> str:
    return {"saved_model": "saved_model", "openvino": "model.xml"}.get(row.format, usual)


def _copy(source: Path, path: Path) -> list[str]:
    """Copy a model to `path`, ONNX's external data put inside; what was done besides, for the card."""
    if external_data(source):
        import onnx

        try:
            write_bytes(path, onnx.load(str(source)).SerializeToString())
        except Exception as error:  # protobuf's and ONNX's exceptions share no base class
            raise UserError(
                f"{source} keeps weights in {', '.join(external_data(source))}, and they cannot be read: {error}. "
                "Put the file beside it, whole."
            ) from error
        return ["its weights, which lay in a second file, were put inside"]
    for file in model_files(source)[1:] if source.suffix == ".xml" else ():
        copy_path(file, path.with_suffix(file.suffix))
    copy_path(source, path)
    return []


def _check_row(row: ModelRow, source: Path, session: Session, graph_kind: str) -> None:
    """Graph kind and size must be those of the row."""
    if session.graph_kind != graph_kind:
        raise UserError(
            f"{source} is a `{session.graph_kind}` file, and the registry says `{graph_kind}`: "
            f"correct models.{row.name}.given."
        )
    if session.input_size not in (None, row.size):
        assert session.input_size is not None
        height, width = session.input_size
        right = f"{height}" if height == width else f"[{height}, {width}]"
        raise UserError(
            f"{source} takes {height}x{width} pixels (height x width), and the registry says {row.input_size}: correct "
            f"models.{row.name}.input_size to {right}."
        )


def _check_precision(row: ModelRow, source: Path, framework: str, path: Path) -> None:
    """A label that is untrue would put the file beside others that it cannot be compared with."""
    found = contents_of(framework, path).precision if row.given else None
    if row.given and found not in (None, row.given[1]):
        raise UserError(
            f"{source} is {found} by its weights and operators, and the registry says {row.given[1]}: correct "
            f"models.{row.name}.given to [{row.given[0]}, {found}]."
        )


def _stated(row: ModelRow) -> Stated:
    return Stated(
        row.form,
        row.normalisation if row.given else None,
        read_anchors(row.anchors) if row.anchors else None,
        row.box_coder or (row.heads.box_coder if row.heads else None),
        row.class_ids,
        row.labels,
    )


def _look(row: ModelRow, source: Path, session: Session, stated: Stated, images: Sequence[UInt8]) -> Look:
    try:
        look = look_at(session, stated, images)
        look.require(source, lambda key: f"models.{row.name}.{key}")
    except UserError as error:
        # The file that was looked at is a copy, which the user has never seen.
        raise UserError(str(error).replace(str(session.path), str(source))) from error
    return look
