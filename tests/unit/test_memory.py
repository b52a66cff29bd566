"""100 000 images with 10 million detections pass through every step that reads them within 8 GB."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.large_steps import peaks

pytestmark = pytest.mark.full

FULL, LIMIT = 100_000, 8e9
SMALL, LARGE = 1000, 3000
# As many draws as are computed at once at full size take as much memory as all of them.
REPLICATES = 50


def test_memory_grows_so_slowly_that_the_full_size_fits(tmp_path: Path) -> None:
    """What a step needs grows at most in proportion to the images from some size on, so the line through two smaller
    sizes bounds it: where something is computed in batches, it grows until the first batch is full, and then not."""
    small = dict(peaks(tmp_path / "small", SMALL, REPLICATES))
    large = dict(peaks(tmp_path / "large", LARGE, REPLICATES))

    expected = {name: large[name] + (large[name] - small[name]) / (LARGE - SMALL) * (FULL - LARGE) for name in large}
    assert max(expected.values()) < LIMIT, expected
    assert len(expected) == 6
