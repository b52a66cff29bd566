"""Writes the figures and tables of a report as files for papers: SVG and PNG, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ssdbench.files.writing import write_bytes
from ssdbench.report.exports import plots, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_Draw = Callable[[Mapping[str, Any], Mapping[str, Any]], "Figure | None"]
_Write = Callable[[Mapping[str, Any], Mapping[str, Any]], str | None]

_FIGURES: Mapping[str, _Draw] = {
    "accuracy_speed": plots.accuracy_speed,
    "class_change": plots.class_change,
    "errors": plots.tide_errors,
    "sweep": plots.sweep,
}
_TABLES: Mapping[str, Mapping[str, _Write]] = {
    "results": {"csv": tables.results_csv, "tex": tables.results_latex},
    "metrics": {"csv": tables.metrics_csv, "tex": tables.metrics_latex},
    "classes": {"csv": tables.classes_csv},
    "errors": {"csv": tables.errors_csv},
    "timing": {"csv": tables.timing_csv},
    "sweep": {"csv": tables.sweep_csv},
}


def write_exports(summary: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write `figures/<what>-<group>.svg` and `.png`, `tables/<what>-<group>.csv` and `.tex`; return their paths.

    A file is written only if there is something to show: no figure of accuracy and latency without annotations, no
    table of errors if none were counted.

    Args:
        summary: as `build_summary` returns it. folder: gets the two folders.
    """
    for name in ("figures", "tables"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    contents = {folder / name: data for name, data in {**_figures(summary), **_tables(summary)}.items()}
    for path, data in contents.items():
        write_bytes(path, data)
    return list(contents)


def _figures(summary: Mapping[str, Any]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    kinds: tuple[Literal["svg", "png"], ...] = ("svg", "png")
    with plots.plot_style():
        for group in summary["groups"]:
            for name, draw in _FIGURES.items():
                if figure := draw(summary, group):
                    files |= {f"figures/{name}-{group['id']}.{kind}": plots.image_bytes(figure, kind) for kind in kinds}
    return files


def _tables(summary: Mapping[str, Any]) -> dict[str, bytes]:
    texts = {
        f"tables/{name}-{group['id']}.{kind}": write(summary, group)
        for group in summary["groups"]
        for name, kinds in _TABLES.items()
        for kind, write in kinds.items()
    }
    return {name: text.encode("utf-8") for name, text in texts.items() if text is not None}
