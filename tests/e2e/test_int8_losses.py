"""The layers of the real network: the one that is spoiled on purpose is named first, by both frameworks."""

from __future__ import annotations

import pytest

from support.project import Project
from support.spoiled_layers import cut_range_of_onnx, cut_range_of_tflite

pytestmark = pytest.mark.slow

MODEL = "ssdlite_mobilenet_v2"
SPOILED = "expanded_conv_5/expand"


def test_a_spoiled_layer_of_the_real_network_is_named_first(default_run: Project) -> None:
    folder = default_run.folder
    import onnx
    from tensorflow.core.framework.graph_pb2 import GraphDef

    from ssdbench.catalog.registry_file import load_registry
    from ssdbench.conversion.find_nodes import head_layout
    from ssdbench.conversion.layer_losses import short_name
    from ssdbench.conversion.tflite_losses import int8_facts as tflite_facts
    from ssdbench.conversion.to_onnx import int8_facts, int8_layers
    from ssdbench.conversion.to_tflite import convert_tflite, heads_alone
    from ssdbench.images.image_folder import folder_records
    from ssdbench.images.pixels import load_images

    files = [folder / "workflow/resources/registry.yaml"]
    row = load_registry(files, folder / "workflow/schemas/registry.schema.yaml").model(MODEL)
    artifacts = folder / f"resources/models/{MODEL}/artifacts/heads"
    images = folder / "resources/datasets/sample/calibration"
    pixels = [array for _, array in load_images(images, folder_records(images)[:4], row.size, "rgb")]

    model = onnx.load(str(artifacts / "onnxruntime/fp32/model.onnx"))
    (file,) = artifacts.glob("onnxruntime/int8-*/model.onnx")
    integers = onnx.load(str(file))
    (spoiled,) = [name for name in int8_layers(model) if short_name(name) == SPOILED]
    before = int8_facts(model, integers, pixels, False)["layers"]
    assert len(before) > 90 and before[0]["layer"] != spoiled
    cut_range_of_onnx(integers, spoiled)
    worst = int8_facts(model, integers, pixels, False)["layers"][0]
    assert (worst["layer"], worst["share"] > 0.5) == (spoiled, True)

    heads = GraphDef.FromString((artifacts / "tensorflow/fp32/model.pb").read_bytes())
    calibrated = convert_tflite(heads, heads_alone, row, "int8", pixels).calibrated
    before = tflite_facts(calibrated, pixels, head_layout(row))["layers"]
    (spoiled,) = [one["layer"] for one in before if short_name(one["layer"]) == SPOILED]
    assert before[0]["layer"] != spoiled
    worst = tflite_facts(cut_range_of_tflite(calibrated, spoiled), pixels, head_layout(row))["layers"][0]
    assert (worst["layer"], worst["share"] > 0.5) == (spoiled, True)
