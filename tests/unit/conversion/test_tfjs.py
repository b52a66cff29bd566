"""TensorFlow.js graph models: read whole, or refused with a sentence that names what is wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssdbench.conversion.graphdef import run_graph
from ssdbench.conversion.tfjs import read_tfjs
from ssdbench.errors import UserError
from support.tiny_detector import images, tiny_graph_def, write_tfjs


@pytest.fixture(scope="module")
def graph_def() -> Any:
    return tiny_graph_def()


@pytest.fixture(scope="module")
def published(graph_def: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tfjs(graph_def, tmp_path_factory.mktemp("tfjs"))


@pytest.fixture
def model_json(published: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    shutil.copytree(published.parent, tmp_path / "model")
    return tmp_path / "model" / "model.json"


def edit(model_json: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(model_json.read_text())
    change(document)
    model_json.write_text(json.dumps(document))


def test_a_graph_with_control_flow_computes_what_it_did_before_export(graph_def: Any, published: Path) -> None:
    feeds = {"image_tensor:0": np.stack(images(2, size=48))}
    fetches = ["Squeeze:0", "Postprocessor/convert_scores:0", "Postprocessor/ExpandDims_1:0"]
    for expected, found in zip(
        run_graph(graph_def, feeds, fetches), run_graph(read_tfjs(published), feeds, fetches), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_strings_in_base64_are_read_like_lists_of_bytes(published: Path, model_json: Path) -> None:
    def to_base64(document: Any) -> None:
        import base64

        for node in document["modelTopology"]["node"]:
            for value in node.get("attr", {}).values():
                if "s" in value:
                    value["s"] = base64.b64encode(bytes(value["s"])).decode()

    edit(model_json, to_base64)
    assert read_tfjs(model_json) == read_tfjs(published)


def first(document: Any) -> dict[str, Any]:
    entry: dict[str, Any] = document["weightsManifest"][0]["weights"][0]
    return entry


DAMAGES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no topology": (lambda d: d.pop("modelTopology"), "has no modelTopology"),
    "no manifest": (lambda d: d.pop("weightsManifest"), "has no weightsManifest"),
    "group": (lambda d: d["weightsManifest"].append(3), "instead of a group"),
    "no paths": (lambda d: d["weightsManifest"][0].pop("paths"), "no list 'paths'"),
    "path out": (lambda d: d["weightsManifest"][0].update(paths=["../../etc/passwd"]), "outside the folder"),
    "absolute": (lambda d: d["weightsManifest"][0].update(paths=["/etc/passwd"]), "not the relative path"),
    "missing": (lambda d: d["weightsManifest"][0].update(paths=["gone"]), "gone is missing"),
    "a shard less": (lambda d: d["weightsManifest"][0]["paths"].pop(), "and the manifest states"),
    "dtype": (lambda d: first(d).update(dtype="float64"), "dtype 'float64'"),
    "unhashable dtype": (lambda d: first(d).update(dtype=["float32"]), "dtype"),
    "shape": (lambda d: first(d).update(shape=[-1, 2]), "impossible shape"),
    "huge": (lambda d: first(d).update(shape=[2**30, 2**30]), "more than a GraphDef can hold"),
    "quantised": (lambda d: first(d).update(quantization={"dtype": "uint8"}), "are quantised"),
    "twice": (
        lambda d: d["weightsManifest"].append({"paths": [], "weights": [{**first(d), "shape": [0]}]}),
        "twice",
    ),
    "other name": (lambda d: first(d).update(name="other"), "no shard holds the weights of the constant"),
    "no graph": (lambda d: d["modelTopology"].update(node=[{"op": 3}]), "is not a GraphDef"),
    "node": (lambda d: d["modelTopology"].update(node="x"), "is not a GraphDef"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_refused_in_words(damage: str, model_json: Path) -> None:
    change, words = DAMAGES[damage]
    edit(model_json, change)
    with pytest.raises(UserError, match=words) as error:
        read_tfjs(model_json)
    assert str(model_json.parent) in str(error.value)


def test_a_shard_that_links_out_of_the_folder_is_refused(model_json: Path, tmp_path: Path) -> None:
    shard = model_json.parent / "group1-shard1of3"
    shard.rename(tmp_path / "outside")
    shard.symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="outside the folder"):
        read_tfjs(model_json)


KEYS = ["modelTopology", "weightsManifest", "node", "paths", "weights", "name", "shape", "dtype", "attr", "s", "list"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["Const", "float32"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topology=VALUES, manifest=VALUES)
def test_no_json_raises_anything_but_a_user_error(topology: Any, manifest: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"modelTopology": topology, "weightsManifest": manifest}))
    try:
        read_tfjs(path)
    except UserError as error:
        assert "model.json" in str(error)
