"""Which modules count as a script's code."""

from __future__ import annotations

from conftest import ROOT
from ssdbench.plan.source_files import module_files

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
