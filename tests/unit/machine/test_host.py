"""The host: what is read from Linux, and that nothing fails where Linux is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from ssdbench.machine.host import (
    available_cores,
    host_facts,
    int8_saturates,
    limit_pools,
    package_versions,
    peak_rss_mb,
)
from support.trees import write_tree

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


def test_an_intel_host_is_described(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path,
        {
            "proc/cpuinfo": XEON,
            "etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor": "powersave\n",
            "sys/class/dmi/id/sys_vendor": "Example Cloud\n",
            "sys/class/dmi/id/product_name": "m5.large\n",
        },
    )
    facts = host_facts(root)
    assert facts["cpu"] == "Intel(R) Xeon(R) Gold 6336Y CPU @ 2.40GHz"
    assert facts["cpu_flags"] == ["sse4_2", "fma", "avx2", "avx512f", "avx512_vnni"]
    assert facts["os"] == "Debian GNU/Linux 13 (trixie)"
    assert facts["governor"] == "performance, powersave"
    assert facts["system"] == "Example Cloud m5.large"
    assert facts["hypervisor"] == "yes"
    assert "cpu_limit" not in facts
    assert "memory_limit_mb" not in facts


def test_arm_lists_its_flags_as_features(tmp_path: Path) -> None:
    facts = host_facts(write_tree(tmp_path, {"proc/cpuinfo": ARM}))
    assert facts["cpu_flags"] == ["asimd", "asimddp"]
    assert facts["cpu_id"] == "CPU implementer 0x41 CPU part 0xd0c"


def test_nothing_fails_where_no_file_is(tmp_path: Path) -> None:
    facts = host_facts(tmp_path)
    assert facts["cpu_flags"] == []
    assert facts["cores_available"] >= 1
    assert peak_rss_mb(tmp_path) > 1
    json.dumps(facts, allow_nan=False)


def test_the_tightest_limit_of_nested_containers_counts(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/job/step\n",
            "sys/fs/cgroup/job/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/job/step/cpu.max": "max 100000\n",
            "sys/fs/cgroup/job/memory.max": "max\n",
            "sys/fs/cgroup/job/step/memory.max": f"{3 << 30}\n",
            "sys/fs/cgroup/other/cpu.max": "10000 100000\n",
            "sys/fs/cgroup/cpuset.cpus.effective": "0-7\n",
            "sys/fs/cgroup/job/cpuset.cpus.effective": "2-3\n",
        },
    )
    facts = host_facts(root)
    assert facts["cpu_limit"] == 0.5
    assert facts["memory_limit_mb"] == 3072
    assert facts["cpuset"] == "2-3"
    assert available_cores(root) == 0.5


def test_limits_of_the_first_cgroups_are_read(tmp_path: Path) -> None:
    root = write_tree(
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


def test_limits_of_a_job_in_the_first_cgroups_are_read(tmp_path: Path) -> None:
    root = write_tree(
        tmp_path,
        {
            "proc/self/cgroup": "7:memory:/slurm/job_8\n4:cpuset:/slurm/job_8\n3:cpu,cpuacct:/slurm/job_8\n0::/\n",
            "sys/fs/cgroup/cpu/slurm/job_8/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/slurm/job_8/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/slurm/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/slurm/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/slurm/job_8/memory.limit_in_bytes": "9223372036854771712\n",
            "sys/fs/cgroup/memory/slurm/memory.limit_in_bytes": f"{2 << 30}\n",
            "sys/fs/cgroup/cpuset/slurm/job_8/cpuset.cpus": "4-5\n",
        },
    )
    facts = host_facts(root)
    assert (facts["cpu_limit"], facts["memory_limit_mb"], facts["cpuset"]) == (2.0, 2048, "4-5")


@pytest.mark.parametrize("text", ["max 100000", "-1", "", "0 0", "abc def", "100000"])
def test_a_limit_that_is_none_is_left_out(tmp_path: Path, text: str) -> None:
    root = write_tree(tmp_path, {"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/cpu.max": text})
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
        "from ssdbench.machine.host import peak_rss_mb\n"
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
