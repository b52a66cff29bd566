"""Facts about the machine, and about how much of it this process may use.

All facts are known on Linux. On other systems, or if a file is missing, unknown facts are left out.
"""

from __future__ import annotations

import os
import platform
import re
import resource
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from ssdbench.machine.linux_files import ROOT, cgroup_folders, text_of

# The flags that decide which kernels an inference framework uses on x86 and on Arm.
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
# Tells apart processors of one name; those of virtual machines often share a name.
_CPU_ID = ("cpu family", "model", "stepping", "microcode", "CPU implementer", "CPU part", "CPU revision")
_DOES_NOT_SATURATE = frozenset({"avx512_vnni", "avx_vnni", "asimd"})
# cgroup v1 has no "max": it writes the largest page-aligned 64-bit number.
_NO_LIMIT_V1 = 1 << 60


def host_facts(root: Path = ROOT) -> dict[str, Any]:
    """The machine and this process's share of it, as JSON values; memory in MB; unknown facts are left out.

    root: the folder that holds proc and sys.
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
        "cpuset": _cpuset(root),
        "governor": _governors(root),
        "system": _system(root),
        "hypervisor": "yes" if "hypervisor" in cpuinfo.get("flags", "").split() else None,
    }
    return {key: value for key, value in facts.items() if value not in (None, "")}


def cpu_flags(root: Path = ROOT) -> list[str]:
    """The CPU's flags, limited to those that decide which kernels an inference framework uses."""
    return _flags(_cpuinfo(root))


def int8_saturates(flags: Iterable[str]) -> bool:
    """Whether sums of 8-bit products can saturate on a CPU with these flags.

    They can on x86 without VNNI: the kernels then add pairs of products in 16 bits, which can overflow
    (onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "reduce_range"). On Arm they cannot.
    """
    return _DOES_NOT_SATURATE.isdisjoint(flags)


def available_cores(root: Path = ROOT) -> float:
    """The cores that this process may use at once, by its affinity and by the CPU limit of its container."""
    cores = float(len(_affinity()))
    limit = _cpu_limit(root)
    return cores if limit is None else min(cores, limit)


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Versions of the named distributions; those that are not installed are left out."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def limit_pools(threads: int) -> None:
    """Limit the libraries around the runtimes to `threads` threads, and OpenCV to one thread for each caller.

    Call this once, at the start of a process: libraries read the variables when they are loaded.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = str(threads)
    import cv2

    cv2.setNumThreads(1)


def peak_rss_mb(root: Path = ROOT) -> float:
    """The most memory this whole process has held so far, in MB.

    VmHWM (Linux) starts anew with each program. ru_maxrss (other systems) also counts the process that forked it.
    """
    match = re.search(r"^VmHWM:\s*(\d+) kB$", text_of(root / "proc/self/status") or "", re.MULTILINE)
    if match:
        return round(int(match[1]) / 1024, 1)
    unit = 1 if platform.system() == "Darwin" else 1024  # bytes there, else KB
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _os_name(root: Path) -> str:
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', text_of(root / "etc/os-release") or "", re.MULTILINE)
    return match[1] if match else platform.platform()


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo."""
    first = (text_of(root / "proc/cpuinfo") or "").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _flags(cpuinfo: Mapping[str, str]) -> list[str]:
    """The flags that matter; x86 calls them "flags", Arm "Features"."""
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    return [flag for flag in _FLAGS_THAT_MATTER if flag in flags]


def _system(root: Path) -> str:
    """The maker and name of the computer or virtual machine, as stated by its firmware."""
    names = (text_of(root / "sys/class/dmi/id" / name) or "" for name in ("sys_vendor", "product_name"))
    return " ".join(names).strip()


def _governors(root: Path) -> str:
    """The names of the cores' frequency governors, each once."""
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({text for file in files if (text := text_of(file))}))


def _cpuset(root: Path) -> str | None:
    """The cores that the container allows, for example "0-3,8"; None if it does not say."""
    folders = cgroup_folders(root, "cpuset")
    names = ("cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus")
    return next((text for folder in folders for name in names if (text := text_of(folder / name))), None)


def _cpu_limit(root: Path) -> float | None:
    """The container's CPU limit in cores; None without a limit."""
    pairs = []
    for folder in cgroup_folders(root, "cpu"):
        pairs.append((text_of(folder / "cpu.max") or "").split())
        pairs.append([text_of(folder / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")])
    limits = [int(p[0]) / int(p[1]) for p in pairs if len(p) == 2 and p[0].isdigit() and p[1].isdigit() and int(p[1])]
    return round(min(limits), 3) if limits else None


def _memory_limit_mb(root: Path) -> int | None:
    """The container's memory limit in MB; None without a limit."""
    names = ("memory.max", "memory.limit_in_bytes")
    texts = [text_of(folder / name) or "" for folder in cgroup_folders(root, "memory") for name in names]
    limits = [int(text) for text in texts if text.isdigit() and int(text) < _NO_LIMIT_V1]
    return min(limits) >> 20 if limits else None
