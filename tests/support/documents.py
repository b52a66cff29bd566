"""What the project's pages state, read from their Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = sorted((ROOT / "docs").glob("*.md"))
OTHERS = ("CHANGELOG.md", "CONTRIBUTING.md", "README.md", "SECURITY.md", "config/README.md", "profiles/README.md")
PAGES = [*(ROOT / name for name in OTHERS), *DOCS]


def page(name: str) -> str:
    """The text of a page, by its path in the project."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """The text below a heading of the second level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    assert found, f"no section {title!r}"
    return found[1]


def rows(text: str, first_column: str) -> list[list[str]]:
    """The rows of all tables whose first column has this heading, as cells."""
    found = re.findall(rf"^\| {first_column} \|.*\n\|[-:|]+\n((?:\|.*\n)+)", text, flags=re.M)
    assert found, f"no table of {first_column!r}"
    lines = [line for table in found for line in table.splitlines()]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def words(text: str) -> list[str]:
    """What stands in backticks outside code blocks."""
    return re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.S))


def blocks(text: str, language: str) -> list[str]:
    """The code blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


def yaml_block(name: str, first_line: str) -> dict[str, Any]:
    """The YAML block of a page that begins with this line."""
    (text,) = [text for text in blocks(page(name), "yaml") if text.startswith(first_line)]
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), flags=re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def flat(mapping: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    pairs: dict[str, Any] = {}
    for key, value in mapping.items():
        pairs |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return pairs
