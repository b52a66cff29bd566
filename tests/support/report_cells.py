"""Made-up run.json records for the tests of the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ssdbench.coco.metric_names import METRICS
from ssdbench.evaluation.bootstrap import COMPARED_METRICS, Comparison, Interval, verdict

# Measured on 130 images of val2017, protocol heads, fp32.
FP32 = (0.3016, 0.4707, 0.3185, 0.0340, 0.2858, 0.6404, 0.2637, 0.3558, 0.3749, 0.0588, 0.3749, 0.7074)
HOST = {"cpu": "Example CPU @ 2.0 GHz", "cores": 2, "flags": ["avx512f", "avx512_vnni"]}
COLLECTOR = {"cpu": "Login node CPU", "cores": 64}


def make_run(
    framework: str = "tensorflow",
    precision: str = "fp32",
    *,
    dataset: str = "local",
    model: str = "ssdlite_mobilenet_v2",
    protocol: str = "heads",
    scores: tuple[float, ...] = FP32,
    p50: float = 11.0,
    size: int = 18_000_000,
    **changes: Any,
) -> dict[str, Any]:
    """A cell that went well; `changes` replace whole parts of its record."""
    ran = {"host": HOST, "runtime": {"version": "1.0", "threads": 1}, "versions": {framework: "1.0"}}
    ran["code_sha256"] = "cd" * 32
    ok = {"status": "ok", "reason": "", "log": "logs/x.log"}
    run = {
        "cell": {
            "dataset": dataset,
            "model": model,
            "protocol": protocol,
            "framework": framework,
            "precision": precision,
        },
        **ok,
        "comparison": None,
        "card": {
            **ok,
            "file": "model.bin",
            "size": size,
            "sha256": "ab" * 32,
            "ops": {"Conv2D": 60, "Relu6": 40},
            "int8_share": 1.0 if precision == "int8" else 0.0,
            "notes": ["fp16 stored, fp32 computed"] if precision == "fp16" else [],
            "versions": {"tensorflow": "2.21.0"},
        },
        "detect": {**ok, "images": 130, "seconds": 3.2, "images_per_second": 40.6, **ran},
        "metrics": {
            **ok,
            "images": 130,
            "detections": 13000,
            "metrics": dict(zip(METRICS, scores, strict=True)),
            "per_class": [
                {"category_id": 1, "name": "person", "AP": scores[0] + 0.02, "truths": 321},
                {"category_id": 17, "name": "cat", "AP": scores[0] + 0.2, "truths": 9},
                {"category_id": 89, "name": "hair drier", "AP": -1.0, "truths": 0},
            ],
        },
        "timing": {
            **ok,
            "setting": "b1-t1-s1",
            "rounds": 3,
            "queries": 900,
            "latency_p50_ms": p50,
            "latency_p90_ms": p50 * 1.1,
            "end_to_end_p50_ms": p50 + 4,
            "end_to_end_p90_ms": p50 + 5,
            "throughput_ips": 1000 / p50,
            "load_ms": 120.0,
            "first_call_ms": 40.0,
            "peak_rss_mb": 210.5,
            **speeds(11.0 / p50, f"{framework}/{precision}"),
            "timing_valid": True,
            "timing_reason": "",
            "machine": ["Other work kept 0.40 cores busy."],
            "stages": {"decode": {"p50": 2.1, "p90": 2.5}, "preprocess": {"p50": 0.4, "p90": 0.5}},
            "per_round": [{"round": i + 1, "latency_p50_ms": p50 * part} for i, part in enumerate((1.2, 0.9, 1.0))],
            **ran,
        },
        "provenance": {
            "host": COLLECTOR,
            "versions": {"pycocotools": "2.0"},
            "code_sha256": "cd" * 32,
            "seed": 0,
            "artifact_sha256": f"{framework}-{precision}",
        },
    }
    return {**run, **changes}


def speeds(speed: float, name: str) -> dict[str, Any]:
    """The columns of a cell that is this many times as fast as TensorFlow fp32."""
    reference = "tensorflow/fp32"
    if name == reference:
        ones = dict.fromkeys(("speed", "speed_low", "speed_high"), 1.0)
        return {**ones, "speed_verdict": "reference", "speed_reference": reference, "speeds": {}}
    low, high = 0.98 * speed, 1.02 * speed
    verdict = "faster" if low > 1 else "slower" if high < 1 else "alike"
    network = {"speed": speed, "low": low, "high": high, "verdict": verdict}
    return {
        **{"speed": speed, "speed_low": low, "speed_high": high, "speed_verdict": verdict},
        **{"speed_reference": reference, "speed_more_s": None, "speeds": {"network": network}},
    }


def make_comparison(difference: float, low: float, high: float, *, images: int = 130) -> dict[str, Any]:
    """A cell against the reference, which has the AP of FP32; no object is small."""
    interval = Interval(difference, low, high)
    intervals = {name: None if name == "APsmall" else interval for name in COMPARED_METRICS}
    comparison = Comparison(images, 1000, 7, intervals, verdict(interval, FP32[0], images))
    return {**asdict(comparison), "reference": {"framework": "tensorflow", "precision": "fp32"}, "share": 0.99}


KEPT = (-0.0002, -0.0011, 0.0008)
LOST = (-0.0302, -0.0415, -0.0187)
UNDECIDED = (-0.0012, -0.0062, 0.0041)


def judged(figures: tuple[float, float, float], framework: str, precision: str, **words: Any) -> dict[str, Any]:
    """A cell that was compared with the reference: KEPT, LOST or UNDECIDED."""
    scores = (FP32[0] + figures[0], *FP32[1:])
    return make_run(framework, precision, scores=scores, comparison=make_comparison(*figures), **words)


def unready(status: str, reason: str, framework: str, precision: str, **words: Any) -> dict[str, Any]:
    """A cell that failed or is unsupported: all its parts are empty."""
    log = "logs/convert.log" if status == "failed" else ""
    parts: dict[str, Any] = {part: {} for part in ("card", "detect", "metrics", "timing", "provenance")}
    return make_run(framework, precision, **words, **parts, status=status, reason=reason, log=log)


def make_context(**changes: Any) -> dict[str, Any]:
    """The context of a report on `local`."""
    context = {
        "kind": "dataset",
        "tag": "local",
        "reference": {"framework": "tensorflow", "precision": "fp32"},
        "models": {"ssdlite_mobilenet_v2": {"title": "SSDLite MobileNet v2", "licence": "Apache-2.0"}},
        "images": [
            {
                "tag": "local",
                "dataset": "local",
                "images": [{"id": 1}, {"id": 2}],
                "notes": [],
                "annotations_sha256": "ef" * 32,
            }
        ],
    }
    return {**context, **changes}


def make_picture(**changes: Any) -> dict[str, Any]:
    """A picture in which the reference on `local` finds the one cat."""
    boxes = [{"name": "cat", "score": 0.9, "box": [1, 2, 30, 40], "is_match": True}]
    picture = {
        "dataset": "local",
        "file_name": "a.jpg",
        "width": 640,
        "height": 480,
        "data_uri": "data:image/jpeg;base64,AAAA",
        "problem": "",
        "by_place": True,
        "annotated": True,
        "truths": [{"name": "cat", "box": [0, 0, 30, 40], "is_crowd": False}],
        "cells": {"local/ssdlite_mobilenet_v2/heads/tensorflow/fp32": {"boxes": boxes, "missed": []}},
        "losses": {},
    }
    return {**picture, **changes}
