"""The accuracy pass and a plain loop over the same images, in a process of its own: prints hashes of what they wrote.

Arguments: framework, card.json, folder of images, instances.json, folder to write to, number of images.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ssdbench.catalog.normalisation import Normalisation
from ssdbench.coco.annotations import read_annotations
from ssdbench.coco.detections import write_detections
from ssdbench.conversion.artifact import open_artifact
from ssdbench.files.hashing import sha256_file
from ssdbench.inference import accuracy_pass
from ssdbench.inference.accuracy_pass import Pass, run_pass
from ssdbench.inference.detect import detect, detections, head_decoding
from ssdbench.inference.trace import Recorder, write_trace
from ssdbench.machine.host import limit_pools
from ssdbench.runtimes import open_session


def main(framework: str, card_path: str, folder: str, annotations: str, output: str, count: str) -> None:
    limit_pools(1)
    card, artifact = open_artifact(Path(card_path))
    records = read_annotations(Path(annotations)).images[: int(count)]
    decoding = head_decoding(card, {"score": 1e-8, "iou": 0.6, "max": 100})
    normalisation = Normalisation(**card["normalisation"])
    job = Pass(
        framework,
        artifact,
        normalisation,
        card["precision"],
        Path(folder),
        records,
        card["input_size"],
        "rgb",
        decoding,
        len(records),
    )
    # A trial of one session with all cores, and then the rest with what was faster.
    accuracy_pass._TRIAL_SECONDS, accuracy_pass._WORTH_A_TRIAL_SECONDS = 0.2, 0.0
    hashes = {}
    for name, threads in (("one core", 1), ("two cores", 2)):
        outcome = run_pass(job, threads, Path(output, "detections.json"))
        write_trace(Path(output, "seen.npz"), outcome.seen)
        hashes[name] = [sha256_file(Path(output, file)) for file in ("detections.json", "seen.npz")]
    recorder = Recorder(len(records))
    session = open_session(framework, artifact, 1, normalisation, card["precision"])
    found = detect(session, Path(folder), records, card["input_size"], "rgb", decoding, recorder)
    write_detections(Path(output, "detections.json"), detections(found))
    write_trace(Path(output, "seen.npz"), recorder.result())
    hashes["loop"] = [sha256_file(Path(output, file)) for file in ("detections.json", "seen.npz")]
    print(json.dumps(hashes))


if __name__ == "__main__":
    main(*sys.argv[1:])
