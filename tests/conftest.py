"""Fixtures shared by all tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class CocoSample:
    """Real COCO images that lie beside the project, where they lie there."""

    images: Path
    annotations: Path
    calibration: Path


@pytest.fixture(scope="session")
def coco_sample() -> CocoSample:
    """130 images of val2017, their annotations, and 100 images of train2017 for calibration."""
    data = ROOT.parent / "shared" / "data"
    sample = CocoSample(
        images=data / "coco_val2017_sample" / "images",
        annotations=data / "coco_val2017_sample" / "instances.json",
        calibration=data / "coco_train2017_calibration" / "images",
    )
    if not sample.annotations.is_file():
        pytest.skip(f"real COCO images are not on this machine ({data} is missing)")
    return sample


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser without a display."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("There is no chromium on PATH: install Debian's chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
