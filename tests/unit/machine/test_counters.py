"""The kernel's counters: what is read from Linux, and what two readings say of the time between them."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ssdbench.machine.counters import Reading, load_between, read_counters, watch_threads
from support.trees import write_tree

START = Reading(wall=10.0, busy=100.0, steal=1.0, own=5.0, waiting={}, throttled={}, hot={})
seconds = st.floats(0, 1e6)


def test_load_between_two_readings_is_in_cores() -> None:
    load = load_between(START, replace(START, wall=12.0, busy=105.0, steal=1.5, own=7.0))
    assert (load["own_cores"], load["other_cores"], load["steal_cores"]) == (1.0, 1.5, 0.25)


@given(st.builds(Reading, seconds, seconds, seconds, seconds, *[st.dictionaries(st.text(), seconds)] * 3))
def test_no_load_is_negative_whatever_the_counters_do(after: Reading) -> None:
    load = load_between(START, replace(after, own=max(after.own, START.own)))
    assert all(value >= 0 for value in load.values())


def test_this_machine_can_be_read() -> None:
    load = load_between(read_counters(), read_counters())
    assert {"load_average", "own_cores", "other_cores", "steal_cores"} <= load.keys()


def test_where_linux_is_not_nothing_is_made_up(tmp_path: Path) -> None:
    reading = read_counters(tmp_path)
    assert load_between(reading, reading).keys() == {"load_average", "own_cores", "other_cores", "steal_cores"}


def test_threads_that_waited_for_a_core_are_seen(tmp_path: Path) -> None:
    tasks = "proc/self/task"
    before = read_counters(write_tree(tmp_path, {f"{tasks}/7/schedstat": "900 1000000000 3\n"}))
    later = {f"{tasks}/7/schedstat": "990 1500000000 9\n", f"{tasks}/8/schedstat": "90 250000000 2\n"}
    after = read_counters(write_tree(tmp_path, later))
    load = load_between(before, replace(after, wall=before.wall + 3))
    assert load["waiting_cores"] == 0.25  # 0.5 s and the new thread's 0.25 s


def test_a_kernel_that_counts_no_waiting_leaves_it_unknown(tmp_path: Path) -> None:
    root = write_tree(tmp_path, {"proc/self/task/7/schedstat": "0 0 0\n", "proc/self/task/8/schedstat": "?\n"})
    assert "waiting_cores" not in load_between(read_counters(root), read_counters(root))


def test_a_container_that_stopped_this_process_is_seen(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/pod/own\n", "sys/fs/cgroup/cpu.stat": "usage_usec 5\n"}
    for folder, microseconds in (("pod", 2_000_000), ("pod/own", 0), ("another", 0)):
        files[f"sys/fs/cgroup/{folder}/cpu.stat"] = f"usage_usec 9\nnr_throttled 3\nthrottled_usec {microseconds}\n"
    before = read_counters(write_tree(tmp_path, files))
    later = {f"sys/fs/cgroup/{name}/cpu.stat": "throttled_usec 3000000\n" for name in ("pod", "another")}
    after = replace(read_counters(write_tree(tmp_path, later)), wall=before.wall + 4)
    assert load_between(before, after)["throttled_cores"] == 0.25  # a second of the pod; the neighbour's do not count


def test_the_first_cgroups_count_in_nanoseconds(tmp_path: Path) -> None:
    stat = "sys/fs/cgroup/cpu/docker/1/cpu.stat"
    files = {"proc/self/cgroup": "4:cpu,cpuacct:/docker/1\n0::/\n", stat: "nr_throttled 0\nthrottled_time 0\n"}
    before = read_counters(write_tree(tmp_path, files))
    write_tree(tmp_path, {stat: "nr_throttled 9\nthrottled_time 500000000\n"})
    after = replace(read_counters(tmp_path), wall=before.wall + 2)
    assert load_between(before, after)["throttled_cores"] == 0.25


def test_a_processor_that_slows_itself_for_heat_is_seen(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu"
    files = {
        f"{cpu}/{core}/thermal_throttle/{kind}_throttle_count": "5\n"
        for core in ("cpu0", "cpu1")
        for kind in ("core", "package")
    }
    before = read_counters(write_tree(tmp_path, files | {f"{cpu}/cpu0/thermal_throttle/core_power_limit_count": "1"}))
    # Each core repeats the count of its package.
    hot = {f"{cpu}/{core}/thermal_throttle/package_throttle_count": "8\n" for core in ("cpu0", "cpu1")}
    later = hot | {f"{cpu}/cpu0/thermal_throttle/core_power_limit_count": "99"}
    assert load_between(before, read_counters(write_tree(tmp_path, later)))["heat_throttles"] == 3
    assert load_between(before, before)["heat_throttles"] == 0


def test_threads_at_work_are_seen() -> None:
    data = bytes(1 << 20)
    alone = watch_threads(lambda: hashlib.sha256(data).digest(), seconds=0.4)
    assert alone["threads_at_work"] == 1
    assert alone["threads_seen"] == 1
    assert alone["cores_used"] <= 1.1
    with ThreadPoolExecutor(3) as pool:
        several = watch_threads(lambda: list(pool.map(hashlib.sha256, [data * 4] * 6)), seconds=0.8)
    assert several["threads_at_work"] >= 2
