"""Which source files a script runs through, so that editing one of them reruns what used it and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path


def module_files(script: Path, package: Path) -> list[Path]:
    """The files of `package` that a script imports, directly or through one another, sorted.

    Imports inside functions count; modules that are found by name at run time do not.

    Args:
        script: the script, or a module of the package.
        package: the package's folder.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for module in _imported(waiting.pop(), package.name):
            for file in _files(module, package):
                if file not in found:
                    found.add(file)
                    waiting.append(file)
    return sorted(found)


def _imported(file: Path, package: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == package}


def _files(module: str, package: Path) -> list[Path]:
    """The files that importing `ssdbench.a.b` executes: the packages on the way and the module."""
    parts = module.split(".")[1:]
    places = [package.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    candidates = [*(place / "__init__.py" for place in places), places[-1].with_suffix(".py")]
    return [file for file in candidates if file.is_file()]
