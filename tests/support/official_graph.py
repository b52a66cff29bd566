"""A detector in the form of the TF1 detection zoo: frozen_inference_graph.pb with its own suppression, in a tar.gz."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path
from typing import Any

from ssdbench.conversion.tfjs import read_tfjs

_PIPELINE = """model {
  ssd {
    post_processing {
      batch_non_max_suppression {
        score_threshold: 0.3
        iou_threshold: 0.6
        max_detections_per_class: 100
        max_total_detections: 100
      }
      score_converter: SIGMOID
    }
  }
}
"""


def official_graph(graph_def: Any) -> Any:
    """The same graph with what the zoo's graphs have after the decoded boxes (`Postprocessor/ExpandDims_1`)."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        boxes, scores = tf.import_graph_def(
            graph_def,
            return_elements=["Postprocessor/ExpandDims_1:0", "Postprocessor/convert_scores:0"],
            name="",
        )
        corners = tf.clip_by_value(boxes, 0.0, 1.0)
        found = tf.image.combined_non_max_suppression(corners, scores[..., 1:], 100, 100, 0.6, 0.3, clip_boxes=False)
        tf.identity(found[0], "detection_boxes")
        tf.identity(found[1], "detection_scores")
        tf.add(found[2], 1.0, "detection_classes")
        tf.cast(found[3], tf.float32, name="num_detections")
        return graph.as_graph_def()


def write_official_targz(path: Path, source_folder: Path, name: str) -> Path:
    """Write `<name>/frozen_inference_graph.pb` and the small files around it to the tar.gz `path`.

    source_folder: holds the model.json of a TensorFlow.js graph model with the zoo's node names. The same
    model gives the same bytes.
    """
    frozen = official_graph(read_tfjs(source_folder / "model.json")).SerializeToString(deterministic=True)
    members = {
        "checkpoint": b'model_checkpoint_path: "model.ckpt"\nall_model_checkpoint_paths: "model.ckpt"\n',
        "frozen_inference_graph.pb": frozen,
        "model.ckpt.index": b"",
        "pipeline.config": _PIPELINE.encode(),
        "saved_model/saved_model.pb": b"",
    }
    with gzip.GzipFile(path, "wb", mtime=0, compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for member, data in members.items():
            info = tarfile.TarInfo(f"{name}/{member}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path
