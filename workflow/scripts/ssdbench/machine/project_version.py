"""The version of this project, as pyproject.toml states it."""

from __future__ import annotations

import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[4] / "pyproject.toml"
UNKNOWN = "unknown"


def project_version(pyproject: Path = PYPROJECT) -> str:
    """The version in `[project]`, for example "0.1.0".

    A copy of the workflow without pyproject.toml, or with one that states no version, has the version "unknown": a run
    of hours should not fail for it.
    """
    try:
        stated = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"]
    except (OSError, KeyError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return UNKNOWN
    return str(stated)
