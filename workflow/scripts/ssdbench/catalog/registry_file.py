"""Reads registry files: checks each row and turns it into a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.catalog.registry import (
    FASTER_RCNN,
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
from ssdbench.coco.categories import coco_labels
from ssdbench.errors import UserError
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


_MISPLACED = {
    "heads": "a finished file is not cut; state what it is fed as `input: {scale, offset}`",
    "given": "it is for finished .tflite and .onnx files; leave it out",
    "input": "state it as `heads.scale` and `heads.offset`",
    "box_coder": "state it as `heads.box_coder`",
}


def _model(name: str, row: Mapping[str, Any], file: Path, base: Path) -> ModelRow:
    for key in ("heads",) if row["format"] in ("tflite", "onnx") else ("given", "input", "box_coder"):
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
        input_size=row["input_size"],
        heads=HeadLayout(**heads) if heads else None,
        graph_nms=GraphNms(**row.get("graph_nms", {})),
        given=tuple(row["given"]) if "given" in row else None,
        input=Normalisation(**row["input"]) if "input" in row else MOBILENET_SSD,
        box_coder=tuple(row.get("box_coder", FASTER_RCNN)),
        anchors=(file.parent / row["anchors"]).resolve() if "anchors" in row else None,
        class_ids=_class_ids(name, row, file),
        labels=_labels(row),
        references=tuple(row.get("references", ())),
        held_out=_held_out(name, row["held_out"], (file.parent, base)) if "held_out" in row else None,
        expected=tuple(Expected(**expected) for expected in row.get("expected", ())),
    )


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
    ids: list[int | None] = []
    for item in row.get("class_ids", ()):
        if item is None:
            ids.append(None)
            continue
        first, last = (int(end) for end in item.split("-")) if isinstance(item, str) else (item, item)
        if first > last:
            raise UserError(f"{file}: models.{model}.class_ids has the range {item}, which ends before it begins.")
        ids += range(first, last + 1)
    if ids and "given" not in row and ids[0] not in (0, None):
        raise UserError(
            f"{file}: models.{model}.class_ids begins with {ids[0]}, but the first class of a graph that is cut is the "
            "background: begin with null."
        )
    return tuple(ids)


def _labels(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Class names by class number: the background at 0, whether the row names it or not."""
    labels = row.get("labels", ())
    if labels == "coco":
        return coco_labels(91) or ()
    background = labels and (labels[0] is None or labels[0].lower() in ("background", "???"))
    return (None, *labels[1 if background else 0 :]) if labels else ()


def _held_out(model: str, row: Mapping[str, Any], folders: Sequence[Path]) -> HeldOut:
    found = [folder / row["ids"] for folder in folders if (folder / row["ids"]).is_file()]
    if not found:
        places = " and ".join(map(str, dict.fromkeys(folders)))
        raise UserError(f"models.{model}.held_out.ids is {row['ids']}, and there is no such file in {places}.")
    return HeldOut(row["name"], found[0])
