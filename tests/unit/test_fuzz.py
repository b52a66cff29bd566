"""Files and configurations changed at random: every reader reads them or says one sentence, and touches nothing else.

What archives and damaged images do is in test_archive.py and test_pixels.py, JSON of any shape in test_coco.py.
"""

from __future__ import annotations

import copy
import json
import math
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT
from ssdbench.catalog.dataset_tag import parse_tag, read_ids
from ssdbench.catalog.registry import ModelRow, RemoteFile, Source
from ssdbench.catalog.registry_file import load_registry
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import read_detections
from ssdbench.coco.image_list import read_image_list
from ssdbench.conversion.load_graph import load_graph
from ssdbench.conversion.tfjs import read_tfjs
from ssdbench.errors import UserError
from ssdbench.fetch.checksums import Checksums
from ssdbench.files.reading import read_yaml
from ssdbench.inference.trace import Recorder, read_trace, write_trace
from ssdbench.plan.load import load_plan
from ssdbench.plan.targets import products
from support.tiny_detector import tiny_graph_def, write_tfjs
from support.trees import content

pytestmark = pytest.mark.full

SCHEMAS = ROOT / "workflow/schemas"
CONFIG_SCHEMA = read_yaml(SCHEMAS / "config.schema.yaml")
REGISTRY = read_yaml(ROOT / "workflow/resources/registry.yaml")

ROW = {key: value for key, value in REGISTRY["models"]["ssdlite_mobilenet_v2"].items() if key != "held_out"}

INSTANCES = {
    "info": {"year": 2017},
    "images": [{"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 48} for i in (1, 2)],
    "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
    "annotations": [
        {
            "id": i,
            "image_id": 1,
            "category_id": 1,
            "bbox": [1, 2.5, 9, 9],
            "area": 60,
            "iscrowd": 0,
            "segmentation": [[1]],
        }
        for i in range(3)
    ],
}
DETECTIONS = [{"image_id": i, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.5], "score": 0.25} for i in range(4)]
IMAGE_LIST = {
    "tag": "local", "dataset": "local", "folder": "images", "annotations": None, "annotations_sha256": "",
    "images": [{**image, "sha256": "0" * 64} for image in INSTANCES["images"]], "notes": [],
    "orientation": "stored", "categories": [{"id": 1, "name": "person", "objects": 2}], "large_ids": {},
}  # fmt: skip
CHECKSUMS = {"http://127.0.0.1/a": {"sha256": "0" * 64, "size": 3, "url": "http://127.0.0.1/a", "date": "2026-11-24"}}

ODD_BYTES = [
    b"NaN",
    b"Infinity",
    b"-1e999",
    b"\xff",
    b"\0",
    b'"',
    b"\\",
    b"\\ud800",
    b"[",
    b"}",
    b",",
    b"1" * 400,
    b"{" * 2000,
]


def changed(data: bytes, chance: random.Random) -> bytes:
    """The bytes with some of them changed, taken out, put in or cut off."""
    spoilt = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(spoilt) + 1)
        match chance.randrange(4):
            case 0:
                spoilt[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                del spoilt[place : place + chance.randrange(1, 30)]
            case 2:
                spoilt[place:place] = chance.choice(ODD_BYTES)
            case _:
                del spoilt[place + chance.randrange(1, 2000) :]
    return bytes(spoilt)


def seen_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write_trace(Path(folder, "seen.npz"), Recorder(0).result())
        return Path(folder, "seen.npz").read_bytes()


READERS: dict[str, tuple[str, bytes, Callable[[Path], Any]]] = {
    "annotations": ("instances.json", json.dumps(INSTANCES).encode(), read_annotations),
    "detections": ("detections.json", json.dumps(DETECTIONS).encode(), lambda path: list(read_detections(path))),
    "image list": ("images.json", json.dumps(IMAGE_LIST).encode(), read_image_list),
    "what was seen": ("seen.npz", seen_bytes(), read_trace),
    "registry": (
        "mine.yaml",
        yaml.safe_dump({"models": {"m": ROW}}).encode(),
        lambda path: load_registry([path], SCHEMAS / "registry.schema.yaml"),
    ),
    "checksums": (
        "checksums.yaml",
        yaml.safe_dump(CHECKSUMS).encode(),
        lambda path: Checksums(path).known(RemoteFile("a", ("http://127.0.0.1/a",))),
    ),
    "id file": ("ids.txt", b"# ids\n139\n285\n\n632\n", lambda path: read_ids(path.read_text("latin-1"), "ids")),
    "frozen graph": (
        "model.pb",
        tiny_graph_def().SerializeToString(),
        lambda path: load_graph(ModelRow("m", "m", Source("local"), "frozen_graph", "", "", 32), path),
    ),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_spoilt_file_is_read_or_is_one_sentence(reader: str, seed: int) -> None:
    name, whole, read = READERS[reader]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(changed(whole, random.Random(seed)))
        before = content(Path(folder))
        try:
            read(path)
        except UserError as error:
            assert str(error).strip()
            assert "Traceback" not in str(error)
        assert {**content(Path(folder)), ".checksums.yaml.lock": b""} == {**before, ".checksums.yaml.lock": b""}


@pytest.mark.parametrize("reader", READERS)
def test_the_whole_file_is_read(reader: str, tmp_path: Path) -> None:
    name, whole, read = READERS[reader]
    (tmp_path / name).write_bytes(whole)
    read(tmp_path / name)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values within a document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    """Set the value at a path; `...` takes it away."""
    for key in path[:-1]:
        document = document[key]
    if value is ...:
        del document[path[-1]]
    else:
        document[path[-1]] = value


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tfjs(tiny_graph_def(), tmp_path_factory.mktemp("tfjs"))


def test_a_tfjs_model_with_values_changed_is_read_or_is_one_sentence(published: Path) -> None:
    whole = json.loads(published.read_text())
    paths = places(whole)
    outside = published.parent.parent

    @settings(max_examples=150, deadline=None)
    @given(
        seed=st.integers(0, 2**32),
        value=VALUES | st.just(...) | st.sampled_from(["/etc/passwd", "../up", "Const", 2**40]),
    )
    def check(seed: int, value: Any) -> None:
        chance, document = random.Random(seed), copy.deepcopy(whole)
        put(document, chance.choice(paths), value)
        published.write_text(json.dumps(document))
        before = content(outside)
        try:
            read_tfjs(published)
        except UserError as error:
            assert "model.json" in str(error) or "shard" in str(error)
        assert content(outside) == before

    check()


def test_a_registry_with_values_changed_is_read_or_is_one_sentence(tmp_path: Path) -> None:
    row = copy.deepcopy(REGISTRY)
    paths = places(row)
    file = tmp_path / "mine.yaml"

    @settings(max_examples=50, deadline=None)
    @given(seed=st.integers(0, 2**32), value=VALUES | st.just(...))
    def check(seed: int, value: Any) -> None:
        chance, document = random.Random(seed), copy.deepcopy(row)
        put(document, chance.choice(paths), value)
        file.write_text(yaml.safe_dump(document))
        try:
            load_registry([file], SCHEMAS / "registry.schema.yaml")
        except UserError as error:
            assert str(error).strip()
        assert list(tmp_path.iterdir()) == [file]

    check()


TEXTS = {
    "datasets": ["sample", "local", "coco_val2017", "coco_val2014-random7-seed3", "sample-first4", "sample-fileorder2"],
    "dataset": ["", "sample", "coco_val2017-first10", "local", "nowhere", "sample-first0"],
    "models": [*REGISTRY["models"], "none"],
    "model": [*REGISTRY["models"], "none"],
    "registries": ["gone.yaml", str(ROOT / "README.md"), "\0"],
    "id_files": [str(ROOT / "workflow/resources/protocols.yaml"), "gone.txt", "/", "\0"],
    "mirror": ["", "http://127.0.0.1:9", "https://mirror.example/a/"],
    "results_dir": ["results", "out/a", "../x", "a//b", "a/./b", "x" * 300],
    "images": ["", str(ROOT / "docs"), "gone", "\0", "~nobody-there/x", "a\nb"],
    "annotations": ["", "/", str(ROOT / "config.yaml"), "\0"],
    "calibration": ["", "/dev/null", str(ROOT / "docs"), "\0"],
}


def legal(schema: dict[str, Any], key: str = "") -> st.SearchStrategy[Any]:
    """Values that a part of the schema of the configuration allows."""
    if "$ref" in schema:
        return legal(CONFIG_SCHEMA["$defs"][schema["$ref"].split("/")[-1]], key)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        parts = {name: legal(part, name) for name, part in schema["properties"].items()}
        needed = {name: parts.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional=parts)
    if kind == "array":
        return st.lists(legal(schema["items"], key), max_size=3, unique_by=repr)
    if kind == "string":
        return st.sampled_from(TEXTS[key]) if key in TEXTS else st.text(max_size=8)
    if kind == "boolean":
        return st.booleans()
    low, high = schema.get("minimum", schema.get("exclusiveMinimum", 0)), schema.get("maximum", 10**6)
    if kind == "integer":
        return st.integers(math.ceil(low), min(int(high), 10**6))
    return st.floats(float(low), float(schema.get("exclusiveMaximum", high)))


@settings(max_examples=60, deadline=None)
@given(config=legal(CONFIG_SCHEMA), spoil=st.none() | st.tuples(st.integers(0, 10**6), VALUES))
def test_a_config_plans_a_matrix_or_is_one_sentence(config: dict[str, Any], spoil: tuple[int, Any] | None) -> None:
    if spoil and (paths := places(config)):
        put(config, paths[spoil[0] % len(paths)], spoil[1])
    try:
        plan = load_plan(config, ROOT, {})
    except UserError as error:
        assert str(error).strip()
        assert "Traceback" not in str(error)
    else:
        assert plan.cells
        assert all(path.startswith((f"{plan.config.results_dir}/", "resources/")) for path in products(plan))


def test_the_configs_drawn_are_not_all_refused() -> None:
    planned = []

    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    @given(config=legal(CONFIG_SCHEMA))
    def draw(config: dict[str, Any]) -> None:
        config.pop("registries", None), config.pop("id_files", None)
        try:
            planned.append(load_plan({**config, "results_dir": "results", "local": {}}, ROOT, {}))
        except UserError:
            return

    draw()
    assert planned


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("samplecoco_val2017-firstrandomseedids0123456789abcdef\n ")))
def test_any_tag_is_understood_or_refused(text: str) -> None:
    try:
        tag = parse_tag(text)
    except UserError as error:
        assert "is not understood" in str(error)
    else:
        assert tag.text == text
        assert "/" not in text and "\n" not in text
