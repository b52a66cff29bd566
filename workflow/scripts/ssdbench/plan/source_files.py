"""Which source files a script runs through, so that editing one of them reruns what used it and nothing else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

# `from ssdbench.a import b, c` (over several lines in brackets) and `import ssdbench.a`. Read as text: a syntax tree of
# every module took longer than all else that planning a run does.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>[\w.]+)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^\n]*)"
    r"|import[ \t]+(?P<module>[\w.]+))",
    re.MULTILINE,
)


@cache
def module_files(script: Path, package: Path) -> tuple[Path, ...]:
    """The files of `package` that a script imports, directly or through one another, sorted.

    Imports inside functions count; modules that are found by name at run time do not.

    Args:
        script: the script, or a module of the package.
        package: the package's folder.
    """
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        for file in _imported_files(waiting.pop(), package):
            if file not in found:
                found.add(file)
                waiting.append(file)
    return tuple(sorted(found))


@cache
def code_hash(scripts: Sequence[Path], package: Path) -> str:
    """A hash that changes with the text or the name of any file that these scripts or modules run through."""
    files = sorted({file for script in scripts for file in (script, *module_files(script, package))})
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {_text_hash(file)}\n".encode())
    return digest.hexdigest()


@cache
def _text_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@cache
def _imported_files(file: Path, package: Path) -> tuple[Path, ...]:
    """The files of the package that the imports of one file execute."""
    modules: set[str] = set()
    for match in _IMPORT.finditer(file.read_text(encoding="utf-8")):
        base = match["base"] or match["module"]
        if base.split(".")[0] != package.name:
            continue
        modules.add(base)
        names = re.sub(r"#[^\n]*", "", match["names"] or "").strip("() \n")
        modules.update(f"{base}.{name.split()[0]}" for name in names.split(",") if name.strip())
    return tuple(file for module in modules for file in _files(module, package))


def _files(module: str, package: Path) -> list[Path]:
    """The files that importing `ssdbench.a.b` executes: the packages on the way and the module."""
    parts = module.split(".")[1:]
    places = [package.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]
    candidates = [*(place / "__init__.py" for place in places), places[-1].with_suffix(".py")]
    return [file for file in candidates if file.is_file()]
