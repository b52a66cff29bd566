"""What a machine cannot run is known before anything runs, with the remedy."""

from __future__ import annotations

import pytest

from ssdbench.catalog.support import unsupported_reason
from ssdbench.errors import UserError
from ssdbench.plan import availability
from ssdbench.plan.availability import unavailable_reason
from support.tiny_detector import ROW


def test_what_is_installed_is_available() -> None:
    for framework in ("tensorflow", "tflite", "tflite-builtin", "onnxruntime", "openvino", "opencv"):
        assert unavailable_reason(framework, "fp32") is None


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "package_versions", lambda names: {"numpy": "2"})
    assert unavailable_reason("openvino", "fp32") == (
        "openvino cannot be found here: python -m pip install -r envs/requirements.txt"
    )


@pytest.mark.parametrize(("framework", "command"), [("onnxruntime-cuda", "pip install onnxruntime-gpu"),
                                                    ("onnxruntime-xnnpack", "--use_xnnpack")])  # fmt: skip
def test_a_missing_provider_is_named_with_the_command(framework: str, command: str) -> None:
    reason = unavailable_reason(framework, "fp32")
    assert reason and "ExecutionProvider" in reason and command in reason


def test_bf16_needs_a_cpu_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, available in ((["avx2", "avx512f"], False), (["avx512f", "avx512_bf16"], True)):
        monkeypatch.setattr(availability, "cpu_flags", lambda flags=flags: flags)
        reason = unavailable_reason("openvino", "bf16")
        assert (reason is None) == available
        assert reason is None or "avx512_bf16" in reason
        assert unavailable_reason("openvino", "fp32") is None


def test_a_provider_that_is_not_there_is_refused_and_not_replaced(tmp_path: object) -> None:
    import onnxruntime as ort

    from ssdbench.catalog.normalisation import MOBILENET_SSD
    from ssdbench.runtimes.base import Options
    from ssdbench.runtimes.onnxruntime import open_session

    assert "CUDAExecutionProvider" not in ort.get_available_providers()
    with pytest.raises(UserError, match="no CUDAExecutionProvider"):
        open_session(tmp_path, Options(1, MOBILENET_SSD, "fp32", "cuda"))  # type: ignore[arg-type]


def test_precisions_stand_where_a_framework_has_them() -> None:
    def runs(precision: str) -> set[str]:
        names = ("tensorflow", "tflite", "tflite-builtin", "onnxruntime", "openvino", "opencv")
        return {name for name in names if unsupported_reason(ROW, "heads", name, precision) is None}

    assert runs("bf16") == {"tensorflow", "openvino"}
    assert runs("int8_dynamic") == {"tflite", "tflite-builtin", "onnxruntime"}
