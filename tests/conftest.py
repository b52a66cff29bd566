"""Fixtures shared by all tests, and the list of tests that a run left out."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from support.coco_sample import has_the_sample
from support.left_behind import own_temporary_folder, processes_left
from support.left_out import deselected_by_marker, leave_out, listing

ROOT = Path(__file__).resolve().parents[1]
DESELECTED = pytest.StashKey[Counter[str]]()


@dataclass(frozen=True)
class CocoSample:
    """130 images of COCO val2017 and their annotations."""

    images: Path
    annotations: Path


def coco_files() -> tuple[CocoSample, Path]:
    """Where real COCO images would lie: the sample, and a folder of other images for calibration."""
    given = os.environ.get("SSDBENCH_COCO_SAMPLE")
    if given:
        folder = Path(given).resolve()
        return CocoSample(folder / "images", folder / "instances.json"), folder / "calibration"
    data = ROOT.parent / "shared" / "data"
    sample = data / "coco_val2017_sample"
    return CocoSample(sample / "images", sample / "instances.json"), data / "coco_train2017_calibration" / "images"


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temporary files of tests and of what they start go with the session's folder, and no process outlives them."""
    folder = tmp_path_factory.mktemp("tmp")
    with own_temporary_folder(folder):
        yield
        left = processes_left(folder)
    assert not left, "tests left these processes behind:\n" + "\n".join(left)


@pytest.fixture(scope="session")
def coco_sample() -> CocoSample:
    """Real COCO images, if they are on this machine."""
    sample, _ = coco_files()
    if not (sample.annotations.is_file() and sample.images.is_dir()):
        leave_out(
            "no real COCO images on this machine",
            "set SSDBENCH_COCO_SAMPLE to a folder with images/ and instances.json",
            even_in_ci="SSDBENCH_COCO_SAMPLE" not in os.environ,
        )
    if not has_the_sample(sample.annotations):
        pytest.fail(
            f"{sample.annotations} is of other images than the tests' figures: see tests/support/coco_sample.py."
        )
    return sample


@pytest.fixture(scope="session")
def coco_calibration(coco_sample: CocoSample) -> Path:
    """A folder of COCO images for calibration, none of them in the sample."""
    _, calibration = coco_files()
    if not calibration.is_dir():
        leave_out("no COCO images for calibration", "add calibration/ to SSDBENCH_COCO_SAMPLE", even_in_ci=True)
    return calibration


@pytest.fixture(scope="session")
def other_models() -> Path:
    """A folder of model files that other people made, if it is on this machine."""
    folder = Path(os.environ.get("SSDBENCH_OTHER_MODELS") or ROOT.parent / "shared" / "models").resolve()
    if not (folder / "exporters.tar.xz").is_file():
        leave_out(
            "no model files of other makers on this machine",
            "set SSDBENCH_OTHER_MODELS to a folder with exporters.tar.xz and the files that tests/e2e/"
            "test_other_makers.py names",
            even_in_ci="SSDBENCH_OTHER_MODELS" not in os.environ,
        )
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser without a display."""
    chromium = shutil.which("chromium")
    if chromium is None:
        leave_out("no chromium on PATH", "apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[DESELECTED] = Counter()
    if config.pluginmanager.has_plugin("xdist") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_FromWorkers(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One file makes the run that several look at, others without need of it go beside, and short tests come last."""
    shared = list(dict.fromkeys(item.path for item in items if "default_run" in getattr(item, "fixturenames", ())))

    def turn(item: pytest.Item) -> int:
        if "/unit/" in item.path.as_posix():
            return 3
        return 1 if item.path not in shared else 0 if item.path == shared[0] else 2

    items.sort(key=turn)


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    if items:
        items[0].config.stash[DESELECTED] += deselected_by_marker(items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["deselected"] = dict(session.config.stash[DESELECTED])


class _FromWorkers:
    """Takes what the workers deselected: each of them the same."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_testnodedown(self, node: Any) -> None:
        self._config.stash[DESELECTED] = Counter(getattr(node, "workeroutput", {}).get("deselected", {}))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List what was left out, a line each, with the command that brings it."""
    skipped = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", ())]
    expression = config.option.markexpr
    # Tests that were asked for by marker or by name are a choice; what `not slow` leaves out is to be told.
    told = config.stash[DESELECTED] if expression.startswith("not ") else Counter[str]()
    if lines := listing(skipped, told):
        terminalreporter.section("left out")
        for line in lines:
            terminalreporter.write_line(line)
