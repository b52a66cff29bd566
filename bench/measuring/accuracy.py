"""The accuracy pass of a cell against its ceiling: the bare network on all cores."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from statistics import median

from measuring.cells import Target
from measuring.table import Measurement, Row, at_least, holds
from measuring.workers import Result, Work, in_turn, once
from ssdbench.boxes.decoding import detections_of
from ssdbench.catalog.normalisation import Normalisation
from ssdbench.coco.detections import Detection, read_detections, write_detections
from ssdbench.coco.image_list import ImageRecord
from ssdbench.images.pixels import load_image
from ssdbench.inference.accuracy_pass import Pass, run_pass
from ssdbench.inference.detect import rows_of

BAR = 0.9
_CHECKED = 16  # images whose detections are made a second time, plainly
_KEPT = 192  # inputs held in memory for the bare loop, in rotation


def measure_accuracy(targets: Sequence[Target], cores: int, images: int, rounds: int) -> Measurement:
    """The pass of every cell over so many images, its ceilings, and the core time of what is not the network."""
    rows: list[Row] = []
    raw = {}
    for target in targets:
        makers = {
            "one session": (_bare, target, 1, cores, images),
            "a session a core": (_bare, target, cores, 1, images),
            "pass": (accuracy_pass, target, cores, images),
            "around": (_around, target, min(images, _KEPT)),
        }
        results = in_turn(makers, rounds)
        raw[target.name] = results
        rows += _rows(target.name, results, cores, images)
    return Measurement(
        "Accuracy pass against its ceiling",
        f"{images} images, {rounds} rounds, {cores} cores. The pass reads, decodes, resizes, runs the network, decodes "
        "and suppresses boxes, takes down what was seen and writes the detections. The ceiling is the network alone: "
        f"the same runtime and artifact in a bare loop over inputs in memory, the better of one session with {cores} "
        f"threads and {cores} sessions of one thread. All cores are busy there, so the rest of the work cannot hide; "
        "what the cores allow is cores / (network + decode + post-process) core time, all measured in this run. "
        "The bar is 0.9 of the ceiling, or where the cores bound the sum, 0.9 of what they allow.",
        rows,
        {"cores": cores, "images": images, "cells": raw},
    )


def _rows(name: str, results: dict[str, list[Result]], cores: int, images: int) -> list[Row]:
    seconds = {
        kind: median(result["seconds"] for result in results[kind]) / images
        for kind in ("one session", "a session a core", "pass")
    }
    best = min(("one session", "a session a core"), key=seconds.__getitem__)
    network = seconds[best] * cores  # core time of an image when all cores do nothing else
    decode, postprocess = (median(result[part] for result in results["around"]) for part in ("decode", "postprocess"))
    allowed = (network + decode + postprocess) / cores
    of_ceiling, of_allowed = seconds[best] / seconds["pass"], allowed / seconds["pass"]
    shares = [100 * part / (network + decode + postprocess) for part in (network, decode, postprocess)]
    return [
        Row(
            f"{name}: pass / ceiling",
            of_ceiling,
            f"at least {BAR}, or the next row",
            of_ceiling >= BAR or of_allowed >= BAR,
            f"the cores bound the sum: of an image's core time the network takes {shares[0]:.0f} %, decode and resize "
            f"{shares[1]:.0f} %, boxes {shares[2]:.0f} %; the ceiling is {best}"
            if of_ceiling < BAR
            else "",
        ),
        at_least(
            f"{name}: pass / what the cores allow",
            of_allowed,
            BAR,
            "what is left is Python between the stages, hashing what was read and seen, and writing",
        ),
        holds(f"{name}: detections as made plainly, one by one", all(result["equal"] for result in results["pass"])),
    ]


def accuracy_pass(target: Target, cores: int, images: int) -> Work:
    """The work: the pass as the rule detect_objects makes it, {seconds, peak_mb, equal}; sessions are opened before."""
    records = target.records(images)
    checked = once(_plainly, target, records[:_CHECKED])["rows"]
    job = Pass(
        target.framework,
        target.artifact,
        Normalisation(**target.card["normalisation"]),
        target.precision,
        target.images.folder,
        records,
        target.size,
        target.channel_order,
        target.decoding,
        len(records),
    )

    def work() -> Result:
        with tempfile.TemporaryDirectory() as folder:
            file, plain = Path(folder, "detections.json"), Path(folder, "plain.json")
            outcome = run_pass(job, cores, file)
            write_detections(plain, checked)
            first = {record.id for record in records[:_CHECKED]}
            made = Counter(row for row in read_detections(file) if row.image_id in first)
            return {
                "seconds": outcome.seconds,
                "peak_mb": outcome.peak_rss_mb,
                "streams": outcome.streams,
                "equal": made == Counter(read_detections(plain)),
            }

    return work


def _plainly(target: Target, records: Sequence[ImageRecord]) -> Work:
    """The work: detections one by one in a process of its own, {rows}."""
    session = target.open(1)

    def work() -> Result:
        rows: list[Detection] = []
        for record in records:
            output = session.run(load_image(target.images.folder, record, target.size, target.channel_order)[None])
            (found,) = detections_of(output, [(record.width, record.height)], target.decoding)
            rows += rows_of(record.id, found)
        return {"rows": rows}

    return work


def _bare(target: Target, sessions: int, threads: int, images: int) -> Work:
    """The work: the network alone over inputs in memory, in so many sessions at once, {seconds}."""
    pixels = [
        load_image(target.images.folder, record, target.size, target.channel_order)[None]
        for record in target.records(min(images, _KEPT))
    ]
    opened = [target.open(threads) for _ in range(sessions)]
    for session in opened:
        session.run(pixels[0])

    def work() -> Result:
        numbers = count()

        def loop(index: int) -> None:
            while (number := next(numbers)) < images:
                opened[index].infer(pixels[number % len(pixels)])

        start = time.perf_counter()
        with ThreadPoolExecutor(sessions) as pool:
            list(pool.map(loop, range(sessions)))
        return {"seconds": time.perf_counter() - start}

    return work


def _around(target: Target, images: int) -> Work:
    """The work: core seconds of an image for what is not the network, {decode, postprocess}."""
    records = target.records(images)
    session, decoding = target.open(1), target.decoding
    outputs = [
        session.run(load_image(target.images.folder, record, target.size, target.channel_order)[None])
        for record in records[:_CHECKED]
    ]

    def work() -> Result:
        start = time.process_time()
        for record in records:
            load_image(target.images.folder, record, target.size, target.channel_order)
        decoded = time.process_time()
        for index, record in enumerate(records):
            detections_of(outputs[index % len(outputs)], [(record.width, record.height)], decoding)
        return {
            "decode": (decoded - start) / images,
            "postprocess": (time.process_time() - decoded) / images,
        }

    return work
