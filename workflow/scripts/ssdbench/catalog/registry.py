"""Registry rows: which datasets and models there are, where they come from, and how they are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from ssdbench.catalog.normalisation import MOBILENET_SSD, Normalisation
from ssdbench.catalog.statement import FormStatement
from ssdbench.errors import UserError

# Up to this many images of a dataset are fetched one by one; for more, the whole archive is.
SINGLE_IMAGES = 1000

BoxCoder = tuple[float, float, float, float]
# faster_rcnn_box_coder of every pipeline of the TensorFlow detection zoos.
FASTER_RCNN: BoxCoder = (10.0, 10.0, 5.0, 5.0)

Row = TypeVar("Row")


@dataclass(frozen=True)
class RemoteFile:
    """One file to download: every url and mirror gives the same bytes.

    `size` in bytes and `sha256` in hex are None where no trustworthy source states them: then the first
    download is trusted, recorded in resources/checksums.yaml, and held to from then on.
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a model's files come from.

    kind `npm`: package `package` at `version`, fetched by name (`sha256` is the tarball's).
    kind `archive`: `file` is a tar.gz to download and unpack. kind `file`: `file` is one file to download.
    kind `local`: `path` is a file on this machine. `member` is the wanted file inside what was unpacked. A
    SavedModel's `path` or `member` is its folder.
    """

    kind: str
    package: str = ""
    version: str = ""
    sha256: str | None = None
    file: RemoteFile | None = None
    path: str = ""
    member: str = ""
    size: int | None = None

    def describe(self) -> str:
        """Where it comes from, in one line."""
        if self.kind == "npm":
            return f"npm package {self.package} {self.version}"
        return self.file.urls[0] if self.file else self.path


@dataclass(frozen=True)
class HeadLayout:
    """Names of the nodes where a GraphDef is cut, and what its numbers mean.

    Each of the four nodes may have several names, of exporters of several years; not all need exist.

    image: node that holds the normalised image [N, H, W, 3], = pixel * scale + offset, RGB. Of several that exist, the
        one that the heads come to first: exporters resize before they normalise, or after.
    box_encodings: node giving [N, A, 4] or [N, A, 1, 4] encodings ty, tx, th, tw; of several the first that exists.
    class_scores: node giving [N, A, C + 1] sigmoid scores, class 0 = background; of several the first that exists.
    anchors: node with [.., A, 4] ymin, xmin, ymax, xmax normalised, of several the first that exists; or "": a file of
        the row, or the standard 1917.
    box_coder: the divisors of ty, tx, th, tw.
    """

    image: str | tuple[str, ...]
    box_encodings: str | tuple[str, ...]
    class_scores: str | tuple[str, ...]
    anchors: str | tuple[str, ...] = ""
    scale: float = MOBILENET_SSD.scales[0]
    offset: float = MOBILENET_SSD.offsets[0]
    box_coder: BoxCoder = FASTER_RCNN

    def names(self, key: str) -> tuple[str, ...]:
        """The candidate names of the node `image`, `box_encodings`, `class_scores` or `anchors`."""
        value: str | tuple[str, ...] = getattr(self, key)
        return (value,) if isinstance(value, str) else value


@dataclass(frozen=True)
class GraphNms:
    """The non-maximum suppression that a checkpoint ships inside its own graph."""

    score: float = 0.3
    iou: float = 0.6
    max: int = 100


@dataclass(frozen=True)
class HeldOut:
    """Images that a checkpoint was not trained on, although the rest of their dataset was: a file of image ids."""

    name: str
    ids: Path


@dataclass(frozen=True)
class Expected:
    """An AP, 0 to 1, that a sound run reaches, within `tolerance`, and who says so.

    dataset: the tag. part: `all` of its images, or the `held_out` ones.
    """

    dataset: str
    protocol: str
    AP: float
    tolerance: float
    source: str
    precision: str = "fp32"
    part: str = "all"


@dataclass(frozen=True)
class ModelRow:
    """One published checkpoint.

    format: `tfjs` (model.json with weight shards), `frozen_graph` (TF1 GraphDef with NMS), `saved_model` (TF2, a
        folder), `tflite`, `onnx`, `openvino` (IR: .xml with its .bin).
    input_size: side of the square input in pixels, or its height and width.
    heads: None where the file cannot be cut (then it runs only as the finished artifact it is).
    given: for `tflite`, `onnx` and `openvino` the graph kind and precision of the file itself, e.g. ("graph", "int8").
    input, box_coder, form: of given files; what the file is fed where its input is not of uint8 pixels, the divisors
        of ty, tx, th, tw, and the form of its outputs. What is not stated must be told by the file.
    anchors: a file of the anchors of heads, where no node has them and they are not the standard 1917.
    class_ids: the category's id of each class in the order in which the model numbers them, from 0; None (and in a
        table without None, 0) for what is not a class, such as the background. Empty for none stated.
    labels: the model's class names by class number, as `coco.categories.class_table` takes them. Empty for unknown.
    held_out: None where the whole of every dataset was held out from training, or nothing is known of it.
    """

    name: str
    title: str
    source: Source
    format: str
    licence: str
    trained_on: str
    input_size: int | tuple[int, int]
    heads: HeadLayout | None = None
    graph_nms: GraphNms = field(default_factory=GraphNms)
    given: tuple[str, str] | None = None
    input: Normalisation | None = None
    box_coder: BoxCoder | None = None
    form: FormStatement = field(default_factory=FormStatement)
    anchors: Path | None = None
    class_ids: tuple[int | None, ...] = ()
    labels: tuple[str | None, ...] = ()
    references: tuple[str, ...] = ()
    held_out: HeldOut | None = None
    expected: tuple[Expected, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        return (self.input_size, self.input_size) if isinstance(self.input_size, int) else self.input_size

    @property
    def normalisation(self) -> Normalisation | None:
        """What the model's own file is fed where its input is not of uint8 pixels; None where nothing is stated."""
        return Normalisation(self.heads.scale, self.heads.offset) if self.heads else self.input

    @property
    def coder(self) -> BoxCoder:
        """The divisors of ty, tx, th, tw."""
        return self.heads.box_coder if self.heads else self.box_coder or FASTER_RCNN

    def without_words(self) -> ModelRow:
        """The row without what only the report says: what is left decides about artifacts."""
        return replace(self, title="", licence="", trained_on="", references=(), held_out=None, expected=())


@dataclass(frozen=True)
class Annotations:
    """A dataset's annotation archive and the instances file inside it; sha256 is that file's, where known."""

    file: RemoteFile
    member: str
    sha256: str | None = None


@dataclass(frozen=True)
class Images:
    """A dataset's image archive, the folder inside it, and the addresses of single images."""

    file: RemoteFile
    folder: str
    single_image_urls: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class CalibrationSource:
    """Image file names that calibration draws from, and the addresses of single images."""

    names: Path
    single_image_urls: tuple[str, ...]


@dataclass(frozen=True)
class DatasetRow:
    """One dataset. kind: `coco` (downloaded), `sample` (composed) or `local` (the user's own files).

    orientation: which pixels its annotations mean, `stored` or `displayed` (turned as EXIF says); empty for unknown.
    """

    name: str
    kind: str
    title: str
    licence: str
    annotations: Annotations | None = None
    images: Images | None = None
    calibration: CalibrationSource | None = None
    orientation: str = ""


@dataclass(frozen=True)
class Registry:
    """All rows, by name."""

    datasets: Mapping[str, DatasetRow]
    models: Mapping[str, ModelRow]

    def dataset(self, name: str) -> DatasetRow:
        """The dataset's row. Raises UserError where there is none."""
        return _row(self.datasets, name, "dataset")

    def model(self, name: str) -> ModelRow:
        """The model's row. Raises UserError where there is none."""
        return _row(self.models, name, "model")


def _row(rows: Mapping[str, Row], name: str, what: str) -> Row:
    if name not in rows:
        raise UserError(
            f"There is no {what} {name!r} in the registry. It has {', '.join(sorted(rows))}; "
            "give one of them, or add a row in a file under `registries`."
        )
    return rows[name]
