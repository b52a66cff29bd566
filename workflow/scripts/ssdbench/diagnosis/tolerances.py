"""The limits within which two cells agree, for each rung of the parity ladder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """The limit of one figure of a rung, for each precision.

    least: the figure must not fall below its limit; otherwise its magnitude must not rise above it. A limit of None:
    the figure is shown but not limited at this precision.
    """

    rung: str
    figure: str
    words: str
    fp32: float | None
    fp16: float | None
    int8: float | None
    reason: str
    least: bool = False


# Measured with SSDLite MobileNet v2 on COCO images in ONNX Runtime and TFLite, against TensorFlow's fp32.
TOLERANCES = (
    Tolerance(
        "pixels", "different", "images whose input pixels differ", 0, 0, 0,
        "All cells of a protocol are fed the same decoded and resized pixels, bit for bit.",
    ),
    Tolerance(
        "heads", "encodings_max_abs", "largest error of a box encoding", 0.01, 1.0, None,
        "fp32 adds in another order: 0.0001 measured; 0.01 moves a corner by a thousandth of its anchor. fp16 rounds "
        "weights to 11 bits: 0.15 measured. In int8 single anchors far from any object saturate, without harm.",
    ),
    Tolerance(
        "heads", "encodings_relative", "relative error of the box encodings", 1e-4, 0.02, 0.25,
        "2e-6 measured for fp32, 0.003 for fp16, 0.11 to 0.18 for int8 (weights per channel), 0.39 per tensor.",
    ),
    Tolerance(
        "heads", "encodings_cosine", "cosine of the box encodings", 0.999999, 0.9995, 0.97,
        "The complement of the relative error if errors have no common direction; 0.984 measured for int8, 0.93 per "
        "tensor.", least=True,
    ),
    Tolerance(
        "heads", "scores_max_abs", "largest error of a class score", 0.001, 0.05, None,
        "1e-5 measured for fp32, 0.011 for fp16. In int8 a single anchor between two objects may tip over.",
    ),
    Tolerance(
        "heads", "scores_relative", "relative error of the class scores", 1e-4, 0.03, 0.35,
        "4e-6 measured for fp32, 0.005 for fp16, 0.16 to 0.22 for int8 (weights per channel), 0.57 per tensor.",
    ),
    Tolerance(
        "heads", "scores_cosine", "cosine of the class scores", 0.999999, 0.999, 0.94,
        "0.975 measured for int8 with weights quantised per channel, 0.82 per tensor.", least=True,
    ),
    Tolerance(
        "heads", "top1_agreement", "share of confident anchors with the same class", 0.999, 0.99, 0.93,
        "1 measured for fp32 and fp16, 0.97 to 0.99 for int8 with weights quantised per channel, 0.89 per tensor.",
        least=True,
    ),
    Tolerance(
        "boxes", "mean_iou", "mean IoU of matched boxes", 0.999, 0.98, 0.82,
        "0.99999 measured for fp32, 0.996 for fp16, 0.87 to 0.90 for int8, which rounds large boxes by a few pixels.",
        least=True,
    ),
    Tolerance(
        "boxes", "class_flips", "share of matched boxes with another class", 0.001, 0.005, 0.06,
        "0 measured for fp32 and fp16, 0.015 to 0.03 for int8, nearly all among the last of 100; 0.13 per tensor.",
    ),
    Tolerance(
        "boxes", "score_shift", "mean shift of the score", 0.0005, 0.002, 0.015,
        "1e-6 measured for fp32, 0.0001 for fp16, up to 0.003 for int8; 0.026 with weights quantised per tensor.",
    ),
    Tolerance(
        "boxes", "unmatched", "share of boxes without a partner", 0.005, 0.03, 0.3,
        "0 measured for fp32, 0.007 for fp16, 0.16 to 0.22 for int8, nearly all among the last of 100; 0.44 "
        "per tensor.",
    ),
    Tolerance(
        "ap", "change", "change of AP", 0.001, 0.003, 0.02,
        "Equal boxes give equal AP: 0.0000 measured for fp32, 0.0001 for fp16, 0.006 to 0.009 for int8. The interval "
        "of the change says whether it is more than chance.",
    ),
)  # fmt: skip


# Precision -> the one whose limits apply. bf16 keeps 8 bits of a number; its errors are a fifth to a half of int8's.
_HELD_TO = {
    "fp32": "fp32",
    "fp16": "fp16",
    "int8": "int8",
    "int8_mixed": "int8",
    "int8_dynamic": "int8",
    "bf16": "int8",
}
