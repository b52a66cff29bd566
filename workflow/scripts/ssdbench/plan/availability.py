"""What this machine can run of the frameworks: packages, providers, and what its CPU computes. Imports none of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache

from ssdbench.catalog.frameworks import framework as framework_row
from ssdbench.machine.host import cpu_flags, package_versions

# Framework and precision -> why this machine cannot run them, or None.
Availability = Callable[[str, str], str | None]

_BF16_FLAGS = ("avx512_bf16", "amx_bf16")


def unavailable_reason(framework: str, precision: str) -> str | None:
    """Why this machine cannot run a framework at a precision, with the remedy where there is one; None where it can."""
    row = framework_row(framework)
    missing = [name for name in row.packages if name not in package_versions(row.packages)]
    if missing:
        names = " and ".join(missing)
        return f"{names} cannot be found here: python -m pip install -r envs/requirements.txt"
    if row.provider and row.provider not in _onnxruntime_providers():
        return f"the onnxruntime that is installed has no {row.provider}: {row.install}"
    return _no_bf16(cpu_flags()) if precision == "bf16" else None


def runs_elsewhere(framework: str, precision: str) -> str | None:
    """For jobs that run in an environment of their own (`--sdm conda`): what is here tells nothing of what is there."""
    return None


def _no_bf16(flags: Iterable[str]) -> str | None:
    """Elsewhere bfloat16 is emulated or quietly computed as fp32."""
    if set(flags).isdisjoint(_BF16_FLAGS):
        return f"bf16 needs a CPU with the flag {' or '.join(_BF16_FLAGS)}, which this one does not have"
    return None


@lru_cache(maxsize=1)
def _onnxruntime_providers() -> tuple[str, ...]:
    """The providers that the installed onnxruntime was built with, as it says itself, in a process of its own."""
    question = "import onnxruntime; print(*onnxruntime.get_available_providers())"
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=False)
    return tuple(answer.stdout.split())
