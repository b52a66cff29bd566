"""Reads registry files: checks each row and turns it into a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.catalog.class_words import class_ids_of, labels_of
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.catalog.registry import (
    Annotations,
    CalibrationSource,
    DatasetRow,
    Expected,
    GraphNms,
    HeadLayout,
    HeldOut,
    Images,
    ModelRow,
    Registry,
    RemoteFile,
    Source,
)
from ssdbench.catalog.statement import FORM_VALUES, FormStatement
from ssdbench.errors import UserError
from ssdbench.files.model_files import model_files
from ssdbench.files.reading import read_yaml
from ssdbench.files.schema import validate


def load_registry(files: Sequence[Path], schema: Path) -> Registry:
    """Read the registry files in order; a row of a later file takes the place of an earlier one of its name.

    Raises:
        UserError: a file is missing, not YAML or not of the schema, or a local model file is missing.
    """
    datasets: dict[str, DatasetRow] = {}
    models: dict[str, ModelRow] = {}
    for file in files:
        content = read_yaml(file) or {}
        validate(content, schema, str(file))
        for name, row in content.get("datasets", {}).items():
            datasets[name] = _dataset(name, row, file)
        for name, row in content.get("models", {}).items():
            models[name] = _model(name, row, file, files[0].parent)
    return Registry(datasets, models)


def _remote(row: Mapping[str, Any]) -> RemoteFile:
    return RemoteFile(row["name"], tuple(row["urls"]), row.get("size"), row.get("sha256"))


def _dataset(name: str, row: Mapping[str, Any], file: Path) -> DatasetRow:
    dataset = DatasetRow(name, row["kind"], row["title"], row["licence"], orientation=row.get("orientation", ""))
    if row["kind"] != "coco":
        return dataset
    annotations, images, calibration = row["annotations"], row["images"], row["calibration"]
    return replace(
        dataset,
        annotations=Annotations(_remote(annotations["file"]), annotations["member"], annotations.get("sha256")),
        images=Images(_remote(images["file"]), images["folder"], tuple(images["single_image_urls"]), images["count"]),
        calibration=CalibrationSource(file.parent / calibration["names"], tuple(calibration["single_image_urls"])),
    )


_GIVEN_FORMATS = ("tflite", "onnx", "openvino")
_MISPLACED = {
    "heads": "a finished file is not cut; state what it is fed as `mean` and `std`",
    "given": "it is for finished .tflite, .onnx and .xml files; leave it out",
    **dict.fromkeys(("input", "mean", "std"), "state it as `heads.scale` and `heads.offset`"),
    "box_coder": "state it as `heads.box_coder`",
    **dict.fromkeys(("channel_order", *FORM_VALUES), "a graph that is cut gives encodings and scores of one form"),
}


def _model(name: str, row: Mapping[str, Any], file: Path, base: Path) -> ModelRow:
    for key in ("heads",) if row["format"] in _GIVEN_FORMATS else [key for key in _MISPLACED if key != "heads"]:
        if key in row:
            raise UserError(
                f"{file}: models.{name}.{key} means nothing for the format {row['format']}: {_MISPLACED[key]}."
            )
    source = dict(row["source"])
    if "file" in source:
        source["file"] = _remote(source["file"])
    if "path" in source:
        path = (file.parent / source["path"]).resolve()
        if row["format"] == "saved_model":
            if not (path / "saved_model.pb").is_file():
                raise UserError(
                    f"{file}: models.{name}.source.path is {source['path']}, and {path} is no folder with a "
                    "saved_model.pb."
                )
        elif not path.is_file():
            raise UserError(f"{file}: models.{name}.source.path is {source['path']}, and {path} is not a file.")
        for part in model_files(path):
            if not part.is_file():
                raise UserError(f"{path} keeps its weights in {part.name}, which is not beside it.")
        source["path"] = str(path)
    heads = dict(row.get("heads", {}))
    heads = {key: tuple(value) if isinstance(value, list) else value for key, value in heads.items()}
    if "anchors" in row:
        _check_anchors_are_used(name, row, file)
    return ModelRow(
        name=name,
        title=row["title"],
        source=Source(**source),
        format=row["format"],
        licence=row["licence"],
        trained_on=row["trained_on"],
        input_size=tuple(row["input_size"]) if isinstance(row["input_size"], list) else row["input_size"],
        heads=HeadLayout(**heads) if heads else None,
        graph_nms=GraphNms(**row.get("graph_nms", {})),
        given=tuple(row["given"]) if "given" in row else None,
        input=_input(name, row, file),
        box_coder=tuple(row["box_coder"]) if "box_coder" in row else None,
        form=_form(name, row, file),
        anchors=(file.parent / row["anchors"]).resolve() if "anchors" in row else None,
        class_ids=_class_ids(name, row, file),
        labels=labels_of(row.get("labels", ())),
        references=tuple(row.get("references", ())),
        held_out=_held_out(name, row["held_out"], (file.parent, base)) if "held_out" in row else None,
        expected=tuple(Expected(**expected) for expected in row.get("expected", ())),
    )


def _input(model: str, row: Mapping[str, Any], file: Path) -> Normalisation | None:
    """What is stated of the input, as `mean` and `std` or as `input`."""
    order = row.get("channel_order", "rgb")
    if ("mean" in row) != ("std" in row) or ("mean" in row and "input" in row):
        raise UserError(
            f"{file}: models.{model} states its input by halves or twice: give `mean` and `std` (in pixel units), or "
            "`input: {scale, offset}`."
        )
    if "mean" in row:
        return Normalisation.of_mean_and_std(row["mean"], row["std"], order)
    if "input" in row:
        return Normalisation(**row["input"], channel_order=order)
    if "channel_order" in row:
        raise UserError(
            f"{file}: models.{model}.channel_order needs `mean` and `std` beside it (of uint8 pixels as they are: mean "
            "0, std 1)."
        )
    return None


def _form(model: str, row: Mapping[str, Any], file: Path) -> FormStatement:
    stated = {key: row[key] for key in FORM_VALUES if key in row}
    if stated and row.get("given", ["heads"])[0] == "graph":
        raise UserError(
            f"{file}: models.{model}.{next(iter(stated))} means nothing for a finished graph, which decodes and "
            "suppresses by itself: leave it out."
        )
    return FormStatement(**stated)


def _check_anchors_are_used(model: str, row: Mapping[str, Any], file: Path) -> None:
    if not (file.parent / row["anchors"]).is_file():
        raise UserError(
            f"{file}: models.{model}.anchors is {row['anchors']}, and there is no such file beside this one."
        )
    if row.get("given", ["heads"])[0] == "graph":
        raise UserError(
            f"{file}: models.{model}.anchors means nothing for a finished graph, which has its own: leave it out."
        )
    if row.get("heads", {}).get("anchors"):
        raise UserError(
            f"{file}: models.{model} names anchors twice, as a file and as a node of its graph: leave one out."
        )


def _class_ids(model: str, row: Mapping[str, Any], file: Path) -> tuple[int | None, ...]:
    """Categories' ids from numbers, ranges such as `1-11` and null."""
    ids = class_ids_of(row.get("class_ids", ()), f"{file}: models.{model}.class_ids")
    if ids and "given" not in row and ids[0] not in (0, None):
        raise UserError(
            f"{file}: models.{model}.class_ids begins with {ids[0]}, but the first class of a graph that is cut is the "
            "background: begin with null."
        )
    return ids


def _held_out(model: str, row: Mapping[str, Any], folders: Sequence[Path]) -> HeldOut:
    found = [folder / row["ids"] for folder in folders if (folder / row["ids"]).is_file()]
    if not found:
        places = " and ".join(map(str, dict.fromkeys(folders)))
        raise UserError(f"models.{model}.held_out.ids is {row['ids']}, and there is no such file in {places}.")
    return HeldOut(row["name"], found[0])
