"""Any JSON, for readers that must take it or refuse it in a sentence; and a file of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([2**53, -(10**30), 1e308, 7, 17, [1, 2, 3, 4], [0, 0, -0.0, 0], "a.jpg"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def json_file(folder: Path, document: Any) -> Path:
    """Write a document to instances.json."""
    path = folder / "instances.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
