"""The reference workload: that it is the same work each time."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from ssdbench.timing.reference_workload import reference_workload


def test_every_repetition_is_the_same_work_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs: list[tuple[bytes, bytes]] = []
    results: set[int] = set()
    real = cv2.filter2D

    def watched(image: Any, depth: int, kernel: Any, result: Any) -> Any:
        if len(inputs) < 60:
            inputs.append((image.tobytes(), kernel.tobytes()))
        results.add(result.ctypes.data)
        done = real(image, depth, kernel, result)
        assert np.isfinite(done[0]).all()
        return done

    monkeypatch.setattr(cv2, "filter2D", watched)
    once = reference_workload()
    assert once() > 0
    assert len(set(inputs)) == 1
    assert len(results) == 1
    first = set(inputs)
    inputs.clear()
    once()
    assert set(inputs) == first
