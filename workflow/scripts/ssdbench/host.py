"""The machine: what it is, what of it this process may use, and how busy it is.

Linux is read in full; elsewhere, and where a file is absent, the facts that cannot be had are left out.
"""

from __future__ import annotations

import math
import os
import platform
import re
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_ROOT = Path("/")
# Those that decide which kernels an inference framework takes on x86 and on Arm.
_FLAGS_THAT_MATTER = (
    *(
        "sse4_2",
        "avx",
        "f16c",
        "fma",
        "avx2",
        "avx512f",
        "avx512_vnni",
        "avx_vnni",
        "avx512_bf16",
        "avx512_fp16",
    ),
    *("amx_tile", "amx_int8", "amx_bf16", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)
# What tells processors apart that share a name, as virtual machines' often do.
_CPU_ID = ("cpu family", "model", "stepping", "microcode", "CPU implementer", "CPU part", "CPU revision")
_DOES_NOT_SATURATE = frozenset({"avx512_vnni", "avx_vnni", "asimd"})
# cgroup v1 has no "max": it writes the largest page-aligned 64-bit number.
_NO_LIMIT_V1 = 1 << 60


def host_facts(root: Path = _ROOT) -> dict[str, Any]:
    """The machine and this process's share of it, as plain JSON values; memory in MB, unknown facts left out.

    root: where proc and sys are looked for.
    """
    cpuinfo = _cpuinfo(root)
    facts = {
        "hostname": platform.node(),
        "os": _os_name(root),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": cpuinfo.get("model name") or platform.processor(),
        "cpu_id": " ".join(f"{key} {cpuinfo[key]}" for key in _CPU_ID if key in cpuinfo),
        "cpu_flags": _flags(cpuinfo),
        "cores": os.cpu_count(),
        "cores_available": len(_affinity()),
        "cpu_limit": _cpu_limit(root),
        "memory_mb": psutil.virtual_memory().total >> 20,
        "memory_limit_mb": _memory_limit_mb(root),
        "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "hypervisor": "yes" if "hypervisor" in cpuinfo.get("flags", "").split() else None,
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}


def int8_saturates(flags: Iterable[str]) -> bool:
    """Whether sums of 8-bit products can saturate on a CPU with these flags.

    On x86 they can without VNNI: the kernels then add pairs of products in 16 bits, which can overflow
    (onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "reduce_range"). Arm's do not.
    """
    return _DOES_NOT_SATURATE.isdisjoint(flags)


def available_cores(root: Path = _ROOT) -> float:
    """Cores that this process may use at once: by its affinity and by the limit of its container."""
    cores = float(len(_affinity()))
    limit = _cpu_limit(root)
    return cores if limit is None else min(cores, limit)


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of the named distributions; those that are not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def limit_pools(threads: int) -> None:
    """Hold the libraries around the runtimes to `threads` threads, and OpenCV to one for each of its callers.

    Call it once at the start of a process that measures: the variables are read when a library is loaded.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(1)


def watch_threads(call: Callable[[], object], seconds: float = 0.5) -> dict[str, Any]:
    """Repeat `call` for about `seconds` and see how many threads really work.

    Returns:
        cores_used: CPU time over wall time, the mean number of threads at work at once; other processes can
        only lower it. threads_seen: cores_used as a whole number. threads_at_work: how many threads
        of this process took at least 5 % of the time each, which counts those that take turns.
    """
    process = psutil.Process()
    before = _thread_seconds(process)
    cpu, wall = time.process_time(), time.perf_counter()
    while (elapsed := time.perf_counter() - wall) < seconds:
        call()
    used = (time.process_time() - cpu) / elapsed
    worked = [spent - before.get(thread, 0.0) for thread, spent in _thread_seconds(process).items()]
    return {
        "cores_used": round(used, 2),
        "threads_seen": max(1, math.ceil(used - 0.2)),  # a fifth of a core is the runtime's own bookkeeping
        "threads_at_work": sum(spent >= 0.05 * elapsed for spent in worked),
    }


def peak_rss_mb(root: Path = _ROOT) -> float:
    """The most memory this whole process has held so far, in MB.

    Linux's VmHWM starts anew with each program; ru_maxrss, taken elsewhere, also counts what forked it.
    """
    match = re.search(r"^VmHWM:\s*(\d+) kB$", _text(root / "proc/self/status") or "", re.MULTILINE)
    if match:
        return round(int(match[1]) / 1024, 1)
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes there, else KB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


@dataclass(frozen=True)
class CpuTimes:
    """Seconds since some start: of the clock, all cores' busy time, time stolen by the hypervisor, ours."""

    wall: float
    busy: float
    steal: float
    own: float


def cpu_times() -> CpuTimes:
    """The machine's and this process's times now; the difference of two says how busy it was between."""
    times = psutil.cpu_times()
    busy = sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
    return CpuTimes(time.perf_counter(), busy, getattr(times, "steal", 0.0), time.process_time())


def load_facts(before: CpuTimes, after: CpuTimes) -> dict[str, float]:
    """Load between two readings, in cores: this process, all others, and what the hypervisor took away."""
    wall = max(after.wall - before.wall, 1e-9)
    own = after.own - before.own
    return {
        "load_average": round(os.getloadavg()[0], 2),
        "own_cores": round(own / wall, 3),
        "other_cores": round(max(0.0, after.busy - before.busy - own) / wall, 3),
        "steal_cores": round(max(0.0, after.steal - before.steal) / wall, 3),
    }


def _thread_seconds(process: psutil.Process) -> dict[int, float]:
    return {thread.id: thread.user_time + thread.system_time for thread in process.threads()}


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _os_name(root: Path) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text(root / "etc/os-release") or "", re.MULTILINE)
    return match[1] if match else platform.platform()


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo."""
    first = (_text(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _flags(cpuinfo: Mapping[str, str]) -> list[str]:
    """The flags that matter; x86 calls them "flags", Arm "Features"."""
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    return [flag for flag in _FLAGS_THAT_MATTER if flag in flags]


def _cgroups(root: Path) -> list[Path]:
    """This process's cgroup (v2) and those above it, whose limits hold for it too."""
    match = re.search(r"^0::/(.*)$", _text(root / "proc/self/cgroup") or "", re.MULTILINE)
    top = root / "sys/fs/cgroup"
    own = top / match[1] if match and ".." not in match[1] else top
    return [folder for folder in (own, *own.parents) if folder.is_relative_to(top)]


def _cpu_limit(root: Path) -> float | None:
    """CPU time per wall time that the container allows, in cores; None without a limit."""
    pairs = [(_text(folder / "cpu.max") or "").split() for folder in _cgroups(root)]
    v1 = root / "sys/fs/cgroup/cpu"
    pairs.append([_text(v1 / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")])
    limits = [int(p[0]) / int(p[1]) for p in pairs if len(p) == 2 and p[0].isdigit() and p[1].isdigit() and int(p[1])]
    return round(min(limits), 3) if limits else None


def _memory_limit_mb(root: Path) -> int | None:
    """Memory that the container allows, in MB; None without a limit."""
    texts = [_text(folder / "memory.max") or "" for folder in _cgroups(root)]
    texts.append(_text(root / "sys/fs/cgroup/memory/memory.limit_in_bytes") or "")
    limits = [int(text) for text in texts if text.isdigit() and int(text) < _NO_LIMIT_V1]
    return min(limits) >> 20 if limits else None
