"""The folders of the package: their order, their subjects, their names."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from conftest import ROOT

PACKAGE = ROOT / "workflow" / "scripts" / "ssdbench"

# From the bottom to the top: a folder imports only from those before it.
FLOORS = (
    *("errors", "arrays", "files", "machine", "jobs", "coco", "boxes", "catalog", "images", "fetch", "runtimes"),
    *("conversion", "inspection", "inference", "timing", "evaluation", "diagnosis", "plan", "report"),
)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def floor_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_by(file: Path) -> set[str]:
    """The folders (or top modules) of the package that a module imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ssdbench":
            parts = node.module.split(".")[1:]
            found.update(parts[:1] or (alias.name for alias in node.names))
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[1] for alias in node.names if alias.name.startswith("ssdbench."))
    return found


def test_the_package_shows_folders_and_at_most_three_files() -> None:
    top = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len([path for path in top if path.is_file()]) <= 3
    assert {path.name.removesuffix(".py") for path in top} - {"__init__"} == set(FLOORS)


def test_imports_run_downwards() -> None:
    upwards = [
        f"{file.relative_to(PACKAGE)} imports {name}"
        for file in modules()
        for name in imported_by(file) - {floor_of(file)}
        if file.name != "__init__.py" or file.parent != PACKAGE
        if FLOORS.index(name) > FLOORS.index(floor_of(file))
    ]
    assert upwards == []


def test_no_two_modules_share_a_name() -> None:
    names = Counter(file.name for file in modules() if file.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []


def test_each_folder_says_its_subject_and_imports_nothing() -> None:
    for file in (file for file in modules() if file.name == "__init__.py" and file.parent != PACKAGE):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{file} has no docstring"
        if file.parent.name != "runtimes":  # which opens them
            assert len(tree.body) == 1, f"{file} holds more than its docstring"
