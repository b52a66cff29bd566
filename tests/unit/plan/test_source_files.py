"""Which modules count as a script's code."""

from __future__ import annotations

import ast
from pathlib import Path

from conftest import ROOT
from ssdbench.plan.source_files import code_hash, module_files

SCRIPTS = ROOT / "workflow" / "scripts"


def names(script: str) -> set[str]:
    return {
        file.relative_to(SCRIPTS / "ssdbench").as_posix()
        for file in module_files(SCRIPTS / script, SCRIPTS / "ssdbench")
    }


def test_modules_are_followed_through_one_another() -> None:
    found = names("evaluate_detections.py")
    assert {
        "__init__.py",
        "evaluation/coco_metrics.py",
        "coco/annotations.py",
        "files/writing.py",
        "errors.py",
    } <= found


def test_a_report_tweak_reruns_no_inference_and_no_conversion() -> None:
    for script in ("detect_objects.py", "time_inference.py", "convert_model.py", "evaluate_detections.py"):
        assert not [name for name in names(script) if name.startswith("report/")]


def test_imports_inside_functions_count_and_other_packages_do_not(tmp_path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("import json\ndef f():\n    from pkg import b\n")
    (package / "b.py").write_text("")
    (package / "c.py").write_text("")
    (tmp_path / "script.py").write_text("import os\nfrom pkg.a import f\n")
    assert [file.name for file in module_files(tmp_path / "script.py", package)] == [
        "__init__.py",
        "a.py",
        "b.py",
    ]


def imports_by_syntax(file: Path) -> set[str]:
    """The modules of the package that a file imports, by its syntax tree."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    places = {name.replace(".", "/") for name in names if name.split(".")[0] == "ssdbench"}
    return {place for place in places if (SCRIPTS / f"{place}.py").is_file()}


def test_reading_imports_as_text_finds_what_the_syntax_tree_has() -> None:
    for file in sorted(SCRIPTS.rglob("*.py")):
        found = {
            path.relative_to(SCRIPTS).with_suffix("").as_posix() for path in module_files(file, SCRIPTS / "ssdbench")
        }
        assert imports_by_syntax(file) <= found, file


def test_a_hash_of_code_changes_with_a_module_that_is_reached_through_another(tmp_path: Path) -> None:
    hashes = []
    for number, text in enumerate(("A = 1", "A = 2")):
        package = tmp_path / str(number) / "pkg"
        package.mkdir(parents=True)
        (package / "a.py").write_text("from pkg.b import A\n")
        (package / "b.py").write_text(text)
        (package / "unused.py").write_text(text)
        (package.parent / "script.py").write_text("from pkg.a import (\n    A,  # all of it\n)\n")
        hashes.append([code_hash((package.parent / name,), package) for name in ("script.py", "pkg/a.py")])
    assert all(one != other for one, other in zip(*hashes, strict=True))
