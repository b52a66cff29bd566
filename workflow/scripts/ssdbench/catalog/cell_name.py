"""The name of a cell, and its place below the results folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CellName:
    """The five words that name a cell; `dataset` is the tag."""

    dataset: str
    model: str
    protocol: str
    framework: str
    precision: str

    @property
    def path(self) -> str:
        """The cell's folder below the results folder."""
        return f"{self.dataset}/{self.model}/{self.protocol}/{self.framework}/{self.precision}"
