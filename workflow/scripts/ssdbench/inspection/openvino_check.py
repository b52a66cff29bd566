"""OpenVINO computes wrong scores from some quantised .tflite files on some processors: a few images in LiteRT tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ssdbench.arrays import UInt8
from ssdbench.boxes.decoding import HeadDecoding
from ssdbench.boxes.outputs import Heads
from ssdbench.conversion.check_conversion import run_all
from ssdbench.conversion.model_contents import contents_of
from ssdbench.errors import UserError
from ssdbench.inspection.finding import Finding
from ssdbench.runtimes import open_session
from ssdbench.runtimes.base import Session
from ssdbench.runtimes.input_form import BY_TYPE

# Of anchors that score above this in LiteRT: how far their scores may lie apart on average. One whose AP is .008 lower
# in OpenVINO: .02; where AP breaks down, most of the score; files that are not quantised: below 1e-6.
_SCORED, _MOST = 0.1, 0.01


def check_against_litert(
    session: Session, decoding: HeadDecoding, pixels: Callable[[], Sequence[UInt8]]
) -> Finding | None:
    """Make sure that a quantised .tflite file in OpenVINO scores as in LiteRT.

    Args:
        session: the file in OpenVINO.
        decoding: what turns its outputs into the project's own form.
        pixels: gives images, uint8 RGB [H, W, 3]; not called for other files.

    Returns:
        what was compared; None of any other file.
    Raises:
        UserError: it does not, or nothing scores on these images.
    """
    if session.path.suffix != ".tflite":
        return None
    if contents_of("tflite", session.path).precision not in ("int8", "int8_dynamic"):
        return None
    form, images = session.form, pixels()
    # OpenVINO does not tell how an input is quantised, so that its session takes uint8 for plain pixels.
    litert = open_session("tflite", session.path, 1, None if form.found_by == BY_TYPE else form.normalisation)
    changes: list[float] = []
    for expected, found in zip(run_all(litert, images), run_all(session, images), strict=True):
        if isinstance(expected, Heads) and isinstance(found, Heads):
            wanted, got = (decoding.standard_heads(one).scores[0, :, 1:] for one in (expected, found))
            rows = np.flatnonzero(wanted.max(axis=1) > _SCORED)
            best = wanted[rows].argmax(axis=1)
            changes += np.abs(wanted[rows, best] - got[rows, best]).tolist()
    if not changes or np.mean(changes) > _MOST:
        how = f"by {np.mean(changes):.3f} on average" if changes else "which nothing here tells: no object scores"
        raise UserError(
            f"OpenVINO may compute other scores from the quantised {session.path} than LiteRT, for which it was made "
            f"({how}, on {len(images)} images). Give -f tflite, or an ONNX file to OpenVINO."
        )
    words = f"{np.mean(changes):.3f} on average over {len(changes)} anchors"
    return Finding(words, f"found by running {len(images)} images in both")
