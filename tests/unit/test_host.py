"""The host: what is read from Linux, and that nothing fails where Linux is not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import pytest

from ssdbench.host import (
    CpuTimes,
    available_cores,
    cpu_times,
    host_facts,
    int8_saturates,
    limit_pools,
    load_facts,
    package_versions,
    peak_rss_mb,
    watch_threads,
)

XEON = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Gold 6336Y CPU @ 2.40GHz
stepping\t: 6
flags\t\t: fpu hypervisor avx2 fma avx512f avx512_vnni sse4_2

processor\t: 1
model name\t: another
"""
ARM = """\
processor\t: 0
Features\t: fp asimd asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0c
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_an_intel_host_is_described(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/cpuinfo": XEON,
            "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
        },
    )
    facts = host_facts(root)
    assert facts["cpu"] == "Intel(R) Xeon(R) Gold 6336Y CPU @ 2.40GHz"
    assert facts["cpu_flags"] == ["sse4_2", "fma", "avx2", "avx512f", "avx512_vnni"]
    assert facts["os"] == "Debian GNU/Linux 13 (trixie)"
    assert facts["governor"] == "performance"
    assert facts["hypervisor"] == "yes"
    assert "cpu_limit" not in facts
    assert "memory_limit_mb" not in facts


def test_arm_lists_its_flags_as_features(tmp_path: Path) -> None:
    facts = host_facts(write(tmp_path, {"proc/cpuinfo": ARM}))
    assert facts["cpu_flags"] == ["asimd", "asimddp"]
    assert facts["cpu_id"] == "CPU implementer 0x41 CPU part 0xd0c"


def test_nothing_fails_where_no_file_is(tmp_path: Path) -> None:
    facts = host_facts(tmp_path)
    assert facts["cpu_flags"] == []
    assert facts["cores_available"] >= 1
    assert peak_rss_mb(tmp_path) > 1
    json.dumps(facts, allow_nan=False)


def test_the_tightest_limit_of_nested_containers_counts(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
            "sys/fs/cgroup/job/memory.max": "max\n",
            "sys/fs/cgroup/job/step/memory.max": f"{3 << 30}\n",
            "sys/fs/cgroup/other/cpu.max": "10000 100000\n",
        },
    )
    facts = host_facts(root)
    assert facts["cpu_limit"] == 0.5
    assert facts["memory_limit_mb"] == 3072
    assert available_cores(root) == 0.5


def test_limits_of_the_first_cgroups_are_read(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    facts = host_facts(root)
    assert facts["cpu_limit"] == 1.5
    assert "memory_limit_mb" not in facts


@pytest.mark.parametrize("text", ["max 100000", "-1", "", "0 0", "abc def", "100000"])
def test_a_limit_that_is_none_is_left_out(tmp_path: Path, text: str) -> None:
    root = write(tmp_path, {"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/cpu.max": text})
    assert "cpu_limit" not in host_facts(root)


def test_vnni_and_arm_do_not_saturate_and_plain_avx_does() -> None:
    assert not int8_saturates(["avx2", "avx512_vnni"])
    assert not int8_saturates(["avx2", "avx_vnni"])
    assert not int8_saturates(["asimd"])
    assert int8_saturates(["avx2", "avx512f"])


def test_versions_of_what_is_installed() -> None:
    versions = package_versions(["numpy", "no-such-distribution"])
    assert versions == {"numpy": sys.modules["numpy"].__version__}


def test_peak_memory_grows_with_what_is_held() -> None:
    code = (
        "from ssdbench.host import peak_rss_mb\n"
        "before = peak_rss_mb(); block = bytes(range(256)) * (400 << 10); del block\n"
        "print(before, peak_rss_mb())"
    )
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run([sys.executable, "-c", code], env=path, check=True, capture_output=True).stdout
    before, after = map(float, output.split())
    assert before < 100 < after - before + 1


def test_opencv_is_held_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    cv2.setNumThreads(2)
    limit_pools(3)
    assert cv2.getNumThreads() == 1
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_threads_at_work_are_seen() -> None:
    data = bytes(1 << 20)
    alone = watch_threads(lambda: hashlib.sha256(data).digest(), seconds=0.4)
    assert alone["threads_at_work"] == 1
    assert alone["threads_seen"] == 1
    assert alone["cores_used"] <= 1.1
    with ThreadPoolExecutor(3) as pool:
        several = watch_threads(lambda: list(pool.map(hashlib.sha256, [data * 4] * 6)), seconds=0.8)
    assert several["threads_at_work"] >= 2


def test_load_between_two_readings_is_in_cores() -> None:
    before = CpuTimes(wall=10.0, busy=100.0, steal=1.0, own=5.0)
    after = CpuTimes(wall=12.0, busy=105.0, steal=1.5, own=7.0)
    facts = load_facts(before, after)
    assert (facts["own_cores"], facts["other_cores"], facts["steal_cores"]) == (1.0, 1.5, 0.25)
    now = load_facts(cpu_times(), cpu_times())
    assert all(value >= 0 for value in now.values())
