"""On a real SLURM of two nodes, without a network: what a run on one machine gives, and what goes wrong at night."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import QUICK
from support.left_out import leave_out
from support.project import Project
from support.shared_run import copy_of
from support.slurm import NODES, Slurm, missing

pytestmark = pytest.mark.full
MODEL = "ssdlite_mobilenet_v2"
FEW = {**QUICK, "dataset": "sample-first24"}
RESULTS = f"results/{FEW['dataset']}/{MODEL}/heads"
CELLS = [*(f"{name}/fp32" for name in ("tensorflow", "tflite", "onnxruntime", "openvino", "opencv")), "tflite/int8"]
METRICS = [f"{RESULTS}/{cell}/metrics.json" for cell in CELLS]
MADE = ("results", "logs")  # what a copy for the cluster leaves out
ROUNDS = QUICK["timing"]["rounds"]
TIMED = ["tflite/fp32", "tflite/int8", "onnxruntime/fp32"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A SLURM of our own."""
    lacking = [*missing(), *(["root's rights"] if os.geteuid() != 0 else [])]
    if lacking:
        leave_out(f"a SLURM needs {', '.join(lacking)}", "as root, apt-get install slurm-wlm munge iproute2")
    with Slurm(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


def command(slurm: Slurm, project: Project, profile: str, config: dict[str, Any], *arguments: str) -> list[str]:
    """Snakemake on the cluster's login node, asked for what it would do every 3 seconds and not every 40."""
    file = project.folder / "cluster_config.yaml"
    file.write_text(yaml.safe_dump(config))
    quick = ["--slurm-init-seconds-before-status-checks", "3"] if profile == "slurm" else []
    options = ["--profile", f"profiles/{profile}", "--configfile", str(file), *quick]
    return slurm.inside([sys.executable, "-m", "snakemake", *arguments, *options], project.folder)


def finish(process: subprocess.Popen[str]) -> str:
    """What the run printed, at its end."""
    output, _ = process.communicate(timeout=1800)
    return output


def start(command: list[str]) -> subprocess.Popen[str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("COCO_")}
    return subprocess.Popen(command, env=inherited, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def rules_of_jobs(output: str) -> dict[str, str]:
    """The rule of each job that was submitted, by its number in SLURM."""
    return dict(re.findall(r"SLURM jobid (\d+) \(log: \S*/rule_([\w-]+)/", output))


@pytest.fixture(scope="module")
def local(project: Project) -> Project:
    """The accuracy of these cells, measured on this machine as ever."""
    done = project.run(*METRICS, config=FEW)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture(scope="module")
def matrix(local: Project, slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, str]:
    """The cells in four shards each, and some timed, through sbatch; and what Snakemake printed."""
    copy = copy_of(local, tmp_path_factory.mktemp("matrix") / "project", without=MADE)
    config = {**FEW, "shard_images": 6}
    # On the login node, which has a network.
    fetched = copy.run("fetch", config=config)
    assert fetched.returncode == 0, fetched.stdout + fetched.stderr
    timings = [f"{RESULTS}/{cell}/timing.json" for cell in TIMED]
    process = start(command(slurm, copy, "slurm", config, *METRICS, *timings))
    output = finish(process)
    assert process.returncode == 0, output
    return copy, output


def test_nothing_but_the_cluster_itself_can_be_reached_from_it(slurm: Slurm) -> None:
    routes = subprocess.run(slurm.inside(["ip", "route"]), capture_output=True, text=True, check=True)
    assert routes.stdout == ""
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
    tried = subprocess.run(slurm.inside([sys.executable, "-c", reach]), capture_output=True, text=True)
    assert "Network is unreachable" in tried.stderr


def test_four_shards_on_two_nodes_give_the_bytes_of_one_run(local: Project, matrix: tuple[Project, str]) -> None:
    cluster, output = matrix
    assert list(rules_of_jobs(output).values()).count("detect_shard") == 4 * len(CELLS)
    for cell in CELLS:
        for file in ("detections.json", "metrics.json"):
            here, there = (project.folder / RESULTS / cell / file for project in (local, cluster))
            assert here.read_bytes() == there.read_bytes(), (cell, file)
        assert cluster.json(f"{RESULTS}/{cell}/metrics.json")["status"] == "ok"


def test_a_timing_has_its_node_to_itself_and_both_nodes_are_used(slurm: Slurm, matrix: tuple[Project, str]) -> None:
    rules = rules_of_jobs(matrix[1])
    jobs = [job for job in slurm.ended() if job.number in rules]
    assert {job.state for job in jobs} == {"COMPLETED"}
    assert {job.nodes for job in jobs} == set(NODES)
    timings = [job for job in jobs if rules[job.number] == "time_inference"]
    assert len(timings) == ROUNDS  # all cells of the table take turns in one job a round
    for timing in timings:
        beside = [job for job in jobs if job is not timing and job.nodes == timing.nodes]
        assert not [rules[job.number] for job in beside if job.start < timing.end and timing.start < job.end]


def test_every_step_but_downloads_and_bookkeeping_goes_through_sbatch(matrix: tuple[Project, str]) -> None:
    cluster, output = matrix
    started = {rule.split("-")[0] for rule in re.findall(r"^localrule ([\w-]+):", output, flags=re.M)}
    assert started <= {"count_images", "combine_rounds"}
    assert set(rules_of_jobs(output).values()) == {
        "detect_shard",
        "merge_shards",
        "time_inference",
        "evaluate_detections",
    }
    for cell in TIMED:
        timing = cluster.json(f"{RESULTS}/{cell}/timing.json")
        assert timing["host"]["hostname"]


# What befalls a cell's job, at its first attempt (2 are left) or at all of them.
DETECTING = """
import time as _time
_cell = f"{snakemake.wildcards.framework}/{snakemake.wildcards.precision}"
_is_first = snakemake.resources.attempts_left == 2
if _is_first and snakemake.wildcards.precision == "fp32":
    _time.sleep(600)  # until it is cancelled, or its node is lost
if _cell == "tflite/fp16" or _is_first and _cell == "onnxruntime/fp16":
    _taken = b"x" * (1600 << 20)  # in the script itself: no child is ended in its place
    _time.sleep(600)
"""
EVALUATING = """
import time as _time
if snakemake.resources.attempts_left == 2 and snakemake.wildcards.precision == "fp16":
    _time.sleep(600)
"""
LOST = "tflite/fp16"
NIGHT = {
    **QUICK,
    "dataset": "sample-first4",
    "frameworks": ["tflite", "onnxruntime"],
    "precisions": ["fp32", "fp16"],
    "reference": {"framework": "tflite"},
}


def befall(project: Project, script: str, text: str) -> None:
    path = project.folder / "workflow/scripts" / script
    head, mark, rest = path.read_text().partition("snakemake: Any  # given by the rule\n")
    assert mark
    path.write_text(head + mark + text + rest)


def wait_for(slurm: Slurm, rule: str, cell: str) -> tuple[str, str]:
    """Number and node of the running job of a rule and a cell, which its comment names."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        for line in slurm.ask("squeue", "--noheader", "--states=R", "--format=%i %N %k").splitlines():
            number, node, comment = line.split(maxsplit=2)
            if comment.startswith(f"rule_{rule}_") and cell in comment:
                return number, node
        time.sleep(1)
    raise TimeoutError(f"no job of {rule} on {cell} ran")


@pytest.fixture(scope="module")
def night(project: Project, slurm: Slurm, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, int, str]:
    """A run in which a job is cancelled, a node is lost, and jobs go over their memory and time."""
    copy = copy_of(project, tmp_path_factory.mktemp("night") / "project", without=MADE)
    (copy.folder / "cluster_config.yaml").write_text(yaml.safe_dump(NIGHT))
    made = copy.run("fetch", "models", config=NIGHT)
    assert made.returncode == 0, made.stdout + made.stderr
    befall(copy, "detect_objects.py", DETECTING)
    befall(copy, "evaluate_detections.py", EVALUATING)
    limits = ["detect_objects:mem_mb=1000", "evaluate_detections:runtime=attempt"]
    process = start(command(slurm, copy, "slurm", NIGHT, "--set-resources", *limits))
    try:
        number, _ = wait_for(slurm, "detect_objects", "tflite_fp32")
        slurm.ask("scancel", number)
        _, node = wait_for(slurm, "detect_objects", "onnxruntime_fp32")
        slurm.set_node(node, "down")
        time.sleep(10)
        slurm.set_node(node, "resume")
        output = finish(process)
    finally:
        process.kill()
    absent = copy.script("report_absent.py", "--configfile", "cluster_config.yaml")
    return copy, absent.returncode if process.returncode else 0, output + absent.stdout + absent.stderr


def test_each_misfortune_happened(slurm: Slurm, night: tuple[Project, int, str]) -> None:
    rules = rules_of_jobs(night[2])
    ended = {(rules[job.number], job.state) for job in slurm.ended() if job.number in rules}
    assert {("detect_objects", "CANCELLED"), ("detect_objects", "NODE_FAIL")} <= ended
    assert ("evaluate_detections", "TIMEOUT") in ended
    said = [log.read_text() for log in (night[0].folder / ".snakemake/slurm_logs/rule_detect_objects").rglob("*.log")]
    assert sum("Exceeded job memory limit" in text for text in said) >= 3


def test_a_night_is_survived_by_retry_or_is_that_cells_failure(night: tuple[Project, int, str]) -> None:
    copy, code, output = night
    assert code == 1, output
    rows = {f"{name[2]}/{name[3]}": row for name, row in copy.summary(NIGHT["dataset"]).items()}
    lost = rows.pop(LOST)
    assert (lost["status"], lost["reason"]) == ("failed", "job ended without a result")
    assert lost["AP"] == ""
    assert {name: row["status"] for name, row in rows.items()} == dict.fromkeys(rows, "ok")
    assert "1 of the cells failed" in output
    assert "job ended without a result" in (copy.folder / f"results/{NIGHT['dataset']}/report/index.html").read_text()


def test_cluster_generic_submits_asks_and_retries_what_was_cancelled(
    project: Project, slurm: Slurm, tmp_path: Path
) -> None:
    copy = copy_of(project, tmp_path / "project", without=MADE)
    config = {
        **NIGHT,
        "frameworks": ["tflite"],
        "precisions": ["fp16"],
        "reference": {"framework": "tflite", "precision": "fp16"},
    }
    # Without its artifact: a conversion through the queue.
    shutil.rmtree(copy.folder / f"resources/models/{MODEL}/artifacts/heads/tflite/fp16")
    before = len(slurm.ended())
    process = start(command(slurm, copy, "cluster-generic", config))
    try:
        number = next(iter(slurm.wait_for_running()))
        slurm.ask("scancel", number)
        output = finish(process)
    finally:
        process.kill()
    assert process.returncode == 0, output
    ended = slurm.ended()[before:]
    done = {job.name for job in ended if job.state == "COMPLETED"}
    (cancelled,) = [job for job in ended if job.number == number]
    assert cancelled.state == "CANCELLED"
    assert cancelled.name in done  # it was submitted anew
    assert {"convert_model", "detect_objects", "time_inference", "evaluate_detections", "build_report"} <= done
    (row,) = copy.summary(config["dataset"]).values()
    assert row["status"] == "ok"


def test_cluster_generic_cancels_what_it_submitted(project: Project, slurm: Slurm) -> None:
    folder = project.folder
    script = folder / "job.sh"
    script.write_text("#!/bin/sh\nsleep 600\n")
    scripts = [f"profiles/cluster-generic/{name}.sh" for name in ("submit", "status", "cancel")]
    submit, status, cancel = scripts

    def call(*command: str) -> str:
        done = subprocess.run(slurm.inside(command, folder), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    number = call(submit, "a_rule", "1", "100", "1000", "1", "0", str(script))
    assert number.isdigit()
    assert call(status, number) == "running"
    call(cancel, number)
    end = time.monotonic() + 60
    while (said := call(status, number)) == "running" and time.monotonic() < end:
        time.sleep(1)
    assert said == "failed"
    assert call(status, "999999") == "failed"
